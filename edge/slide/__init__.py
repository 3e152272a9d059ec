"""Which cells of a slide were seen before: `scan.Scan`, over `registration`, `slide_map` and `sightings`."""
