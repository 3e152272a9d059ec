"""Models as files: the one that ships, the `bundle` around each, and the `runtime` that runs it."""
