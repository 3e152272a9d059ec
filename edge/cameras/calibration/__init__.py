"""A camera's light made even and white: `correction`, and `camera`, which applies it to each frame."""
