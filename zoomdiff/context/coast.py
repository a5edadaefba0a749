"""The sea. OpenStreetMap has no polygon of it, only coastlines that keep the water on their right."""

import geopandas as gpd
import numpy as np
import shapely

from zoomdiff.outline import Bounds

REACH = 0.002  # degrees, about 200 m: extracts cut ways at their last node inside, a little short of the edge
STEP = 1e-7  # degrees, about a centimetre: how far to look left and right of a coastline
SURE = 0.9  # share of the coast around a face that must agree that it is sea


def sea(coastlines: gpd.GeoSeries, extent: Bounds) -> list[shapely.Polygon]:
    """Polygons of sea within the extent (west, south, east, north in degrees), from coastlines in EPSG:4326.

    The coastlines cut the extent into faces. A face is sea if the coast around it, weighed by length, has it on its
    right. A coastline that ends inside the extent, farther than REACH from its edge (an incomplete extract), bounds
    nothing; a face that is left in doubt is not taken for sea. No coastline, no sea.
    """
    frame = shapely.box(*extent)
    coast = [_to_the_edge(line, frame) for line in _lines(coastlines)]
    inside = shapely.get_parts(shapely.get_parts(shapely.intersection(coast, frame)))
    inside = inside[shapely.get_type_id(inside) == 1]  # without mere touches, which are points
    if not len(inside):
        return []
    faces = shapely.get_parts(shapely.polygonize([shapely.union_all([*inside, frame.boundary])]))

    xy, line = shapely.get_coordinates(inside, return_index=True)
    joined = line[1:] == line[:-1]
    start, end = xy[:-1][joined], xy[1:][joined]
    size = np.hypot(*(end - start).T)
    start, end, size = start[size > 0], end[size > 0], size[size > 0]
    along = (end - start) / size[:, None]
    right = np.stack([along[:, 1], -along[:, 0]], 1)

    tree = shapely.STRtree(faces)
    votes = np.zeros((2, len(faces)))  # length of coast that has the face on its right, on its left
    for side, step in enumerate((STEP, -STEP)):
        segment, face = tree.query(shapely.points((start + end) / 2 + step * right), predicate="within")
        np.add.at(votes[side], face, size[segment])
    return list(faces[(votes[0] > 0) & (votes[0] > SURE * votes.sum(0))])


def _lines(coastlines: gpd.GeoSeries) -> np.ndarray:
    """Coastlines as directed lines, joined end to start."""
    shapes = np.asarray(coastlines.array, dtype=object)
    # A closed island may come as a polygon; turned anticlockwise, it has the water on its right as it should.
    polygons = np.isin(shapely.get_type_id(shapes), (3, 6))
    shapes[polygons] = shapely.boundary(shapely.orient_polygons(shapes[polygons]))
    return shapely.get_parts(shapely.line_merge(shapely.multilinestrings(_parts(shapes)), directed=True))


def _parts(shapes: np.ndarray) -> np.ndarray:
    parts = shapely.get_parts(shapely.get_parts(shapes))
    lines: np.ndarray = parts[shapely.get_type_id(parts) == 1]
    return lines


def _to_the_edge(line: shapely.LineString, frame: shapely.Polygon) -> shapely.LineString:
    """Lengthen a coastline that ends just short of the frame's edge until it crosses it."""
    if line.is_closed:
        return line
    points = shapely.get_coordinates(line)
    ahead, behind = _crossing(points[0], frame), _crossing(points[-1], frame)
    return shapely.LineString(np.array([*ahead, *points, *behind]))


def _crossing(point: np.ndarray, frame: shapely.Polygon) -> list[np.ndarray]:
    """The place just beyond the edge nearest to a point inside the frame; none if that is farther than REACH."""
    end = shapely.Point(point)
    if not frame.contains(end) or frame.exterior.distance(end) > REACH:
        return []
    edge = frame.exterior.interpolate(frame.exterior.project(end))
    return [shapely.get_coordinates(edge)[0] * 1.001 - point * 0.001]
