"""What a model is worth: `evaluate` a run, `metrics` with intervals, `compare` splits."""
