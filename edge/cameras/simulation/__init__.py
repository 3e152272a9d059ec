"""A drawn slide under a simulated microscope: `camera.SimulatedCamera`."""
