"""From a float network to full int8: `int8.quantize`, with the `gates` that an int8 file must pass."""
