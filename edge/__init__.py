"""What runs on the device: from a camera's frame to a published white-blood-cell differential."""

__version__ = "0.1.0"
