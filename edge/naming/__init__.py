"""What a cell is: `classifier.Classifier`, with its right to refuse, and the evidence for each call."""
