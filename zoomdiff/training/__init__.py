"""Training: configuration, cities, patches, splits, and the loop."""
