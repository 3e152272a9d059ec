"""Models installed, signed, on probation and rolled back: `install`, `probation`."""
