"""Data sets: `datasets` registers them, `readers` read them, `samples` makes arrays, `splits` deals them."""
