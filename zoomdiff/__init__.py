"""ZoomDiff: a week of realistic mobile traffic for any region on a map, at four zoom levels."""

__version__ = "0.1.0"
