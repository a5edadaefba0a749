"""Files for others: one module per format; `formats` has them all by name, `reproduce` makes a week again."""

from zoomdiff.export.geojson import LevelFile, read_geojson, to_geojson

__all__ = ["LevelFile", "read_geojson", "to_geojson"]
