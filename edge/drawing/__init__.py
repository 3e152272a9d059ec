"""Heat maps and outlines drawn over pictures: `heatmap.draw`."""
