"""A specimen for other programs: pure functions from what is reported to what is written."""
