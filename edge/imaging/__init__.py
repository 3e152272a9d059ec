"""Plain arithmetic on pictures, which knows nothing of cells: histograms, components, the black border."""
