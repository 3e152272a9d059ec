"""The model fitted to one microscope from cells that its operator has named: `adapting`."""
