"""Cameras of the Linux kernel: `devices`, which there are, and `controls`, exposure, gain and white."""
