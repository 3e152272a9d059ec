"""The command line `leukoscope-train`."""

from trainer.cli.parser import main

__all__ = ["main"]
