"""A run: `run` is its folder, `fitting` its steps, with augmentation and optimizers."""
