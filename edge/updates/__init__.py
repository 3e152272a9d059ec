"""Installing signed models, testing them at their first start, and rolling back: `install`, `probation`."""
