"""A microscope never seen: `in_turn` leaves each out, for the `finder` and the `namer`."""
