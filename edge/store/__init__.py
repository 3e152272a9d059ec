"""The results in SQLite: `fields.Store`, with the specimens, keyframes and answered commands of its file."""
