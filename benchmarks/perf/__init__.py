"""How long ZoomDiff takes and how much memory: sampling, making a context, the app, its map, imports."""
