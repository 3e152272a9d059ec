"""Latency and memory, measured on the device or anywhere else, with the same code that serves."""
