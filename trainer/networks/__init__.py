"""The networks by name: `registry`, with the study's, its baselines, and gradients in closed form."""
