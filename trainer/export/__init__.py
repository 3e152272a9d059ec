"""From a finished run to a bundle: `bundling`, with its model card."""
