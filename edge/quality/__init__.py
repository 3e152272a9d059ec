"""Whether a frame is worth analysing: `assessment.assess`, compared with others by `reference`."""
