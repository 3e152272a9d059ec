"""The command line, one file a command. It prints; what it prints comes from the other rooms."""

from edge.cli.parser import main

__all__ = ["main"]
