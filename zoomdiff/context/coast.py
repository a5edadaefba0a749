"""The sea. OpenStreetMap has no polygon of it, only coastlines that keep the water on their right."""

import geopandas as gpd
import numpy as np
import shapely

STEP = 1e-7  # degrees, about a centimetre: how far to look left and right of a coastline
SURE = 0.9  # share of the coast around a face that must agree that it is sea


def sea(coastlines: gpd.GeoSeries, extent: tuple[float, float, float, float]) -> list[shapely.Polygon]:
    """Polygons of sea within the extent (west, south, east, north in degrees), from coastlines in EPSG:4326.

    The coastlines cut the extent into faces. A face is sea if the coast around it, weighed by length, has it on its
    right. Coastlines that end inside the extent (incomplete extracts) bound nothing there; a face that they leave in
    doubt is not taken for sea.
    """
    frame = shapely.box(*extent)
    lines = coastlines[coastlines.geom_type.isin(("LineString", "MultiLineString"))].array
    # Closed islands may come as polygons; their rings run anticlockwise around land, as the rule wants.
    rings = shapely.orient_polygons(coastlines[coastlines.geom_type.isin(("Polygon", "MultiPolygon"))].array)
    lines = np.concatenate([np.asarray(lines), shapely.boundary(np.asarray(rings))])
    inside = shapely.get_parts(shapely.get_parts(shapely.intersection(lines, frame)))
    inside = inside[shapely.get_type_id(inside) == 1]
    if not len(inside):
        return []
    faces = shapely.get_parts(shapely.polygonize([shapely.union_all([*inside, frame.boundary])]))

    xy, line = shapely.get_coordinates(inside, return_index=True)
    joined = line[1:] == line[:-1]
    start, end = xy[:-1][joined], xy[1:][joined]
    along = end - start
    size = np.hypot(*along.T)
    start, along, size = start[size > 0], along[size > 0], size[size > 0]
    middle = start + along / 2
    right = np.stack([along[:, 1], -along[:, 0]], 1) / size[:, None] * STEP

    tree = shapely.STRtree(faces)
    votes = np.zeros((2, len(faces)))  # length of coast that has the face on its right, on its left
    for side, looks in enumerate((middle + right, middle - right)):
        segment, face = tree.query(shapely.points(looks), predicate="within")
        np.add.at(votes[side], face, size[segment])
    is_sea = votes[0] > SURE * np.maximum(votes.sum(0), 1e-12)
    return list(faces[is_sea])
