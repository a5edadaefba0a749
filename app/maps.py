"""The map: deck.gl layers, all from data that travels with the page, and the deck that holds them.

Without a map provider and a map style deck.gl requests no tiles.
"""

import base64
import math

import numpy as np
import orjson
import pydeck as pdk
import shapely
from zoomdiff.app.basemap import Frame, darkened
from zoomdiff.app.colours import Scale, dark, data_url, palette_png, traffic

from zoomdiff.region import Region
from zoomdiff.week import TrafficWeek, human_bytes

PICKABLE = 30_000  # cells: beyond that clicking works on the next coarser level
COLUMNS = 6_000  # columns that turn fluently in software rendering
BY_STEP = 6_000  # cells: beyond that the tooltip shows the week's volume, so that no step has to send all cells anew
ACCENT, GRID, CELL = [138, 42, 86], [70, 66, 78, 90], [20, 18, 26]
ACCENT_ON_DARK, GRID_ON_DARK = [224, 122, 160], [214, 210, 220, 90]
TALLEST = 0.35  # of the region's shorter side: the column of a cell at the top of the scale
VIEW = 620, 495  # pixels that the region should fit in; windows are larger


def deck(layers: list[pdk.Layer], region: Region, tooltip: str | None = None, *, pitch: float = 0) -> pdk.Deck:
    """The deck over `region`, tilted by `pitch` degrees. Its view stays put while sliders move."""
    view = fit(region.bounds)
    view.pitch = pitch
    return pdk.Deck(
        layers=layers,
        initial_view_state=view,
        map_provider=None,
        tooltip={"html": tooltip, "style": TOOLTIP_STYLE} if tooltip else False,
    )


TOOLTIP_STYLE = {
    "background": "#26242b",
    "color": "#ffffff",
    "fontSize": "12px",
    "padding": "6px 8px",
    "borderRadius": "4px",
}


def fit(bounds: tuple[float, float, float, float]) -> pdk.ViewState:
    """The view from straight above that shows the box (west, south, east, north)."""
    west, south, east, north = bounds
    top, bottom = _mercator(north), _mercator(south)
    zoom = min(math.log2(VIEW[0] / 512 / ((east - west) / 360)), math.log2(VIEW[1] / 512 / (top - bottom)))
    middle = math.degrees(2 * math.atan(math.exp(math.pi * (top + bottom))) - math.pi / 2)
    return pdk.ViewState(longitude=(west + east) / 2, latitude=middle, zoom=round(zoom, 3), min_zoom=6, max_zoom=20)


def _mercator(latitude: float) -> float:
    """Web Mercator's y of a latitude, the world being 1 high."""
    return math.asinh(math.tan(math.radians(latitude))) / (2 * math.pi)


def picture(layer_id: str, url: str, quad: list[list[float]], *, opacity: float = 1, smooth: bool = False) -> pdk.Layer:
    """A picture between four lon/lat corners; cells stay sharp unless `smooth`."""
    kind = "linear" if smooth else "nearest"
    return pdk.Layer(
        "BitmapLayer",
        id=layer_id,
        image=f'"{url}"',  # the quotes keep pydeck from taking it for an expression
        bounds=quad,
        opacity=opacity,
        texture_parameters={"minFilter": "linear", "magFilter": kind, "mipmapFilter": "linear"},
        pickable=False,
    )


def basemap_layer(webp: bytes, frame: Frame) -> pdk.Layer:
    return picture("basemap", data_url(darkened(webp) if dark() else webp, "image/webp"), frame.quad, smooth=True)


def raster_layer(layer_id: str, entries: np.ndarray, palette: np.ndarray, region: Region, opacity: float) -> pdk.Layer:
    """A raster (H, W) of palette entries over the region's frame."""
    url = data_url(palette_png(entries, palette), "image/png")
    return picture(layer_id, url, Frame.of(region).quad, opacity=opacity)


def traffic_layer(volumes: np.ndarray, region: Region, k: int, scale: Scale, opacity: float) -> pdk.Layer:
    """One step (H, W) of level k."""
    return raster_layer("traffic", scale.entries(volumes) * region.mask(k), traffic(), region, opacity)


def point_layer(layer_id: str, lonlat: np.ndarray, colours: list[list[int]]) -> pdk.Layer:
    records = [{"p": p, "c": c} for p, c in zip(lonlat.round(6).tolist(), colours, strict=True)]
    return pdk.Layer(
        "ScatterplotLayer",
        id=layer_id,
        data=_json_url(records),
        get_position="p",
        get_fill_color="c",
        get_line_color=[255, 255, 255],
        stroked=True,
        line_width_min_pixels=0.7,
        get_radius=5,
        radius_min_pixels=2.2,
        radius_max_pixels=9,
        pickable=False,
    )


def blocks_layer(region: Region) -> pdk.Layer:
    """The blocks of the region, one per base station; none where they would only be a haze."""
    few = region.blocks.sum() <= PICKABLE
    rings = [{"p": ring} for ring in cell_rings(region, 0).tolist()] if few else []
    return _path("blocks", rings, GRID_ON_DARK if dark() else GRID, 1)


def outline_layer(region: Region) -> pdk.Layer:
    """What the user asked for, before it was snapped to whole blocks."""
    wanted = [
        {"p": np.round(shapely.get_coordinates(part.exterior), 6).tolist()}
        for part in shapely.get_parts(region.polygon)
        if part.geom_type == "Polygon"
    ]
    return _path("wanted", wanted, ACCENT_ON_DARK if dark() else ACCENT, 1.8)


def mark_layers(region: Region, k: int, cell: tuple[int, int]) -> list[pdk.Layer]:
    """A frame around one cell of level k, legible on light and dark."""
    corners = region.corners(k)
    row, col = cell
    ring = [corners[row, col], corners[row, col + 1], corners[row + 1, col + 1], corners[row + 1, col]]
    path = [{"p": np.round([*ring, ring[0]], 7).tolist()}]
    return [_path("mark-rim", path, [255, 255, 255], 5), _path("mark", path, CELL, 2.5)]


def pick_level(region: Region, k: int) -> int:
    """The finest level, no finer than k, with few enough cells to click on."""
    return next((level for level in range(k, 0, -1) if region.mask(level).sum() <= PICKABLE), 0)


def shows_step(region: Region, k: int) -> bool:
    """Whether level k's tooltip shows the volume of the step on the map, or that of the week."""
    return bool(region.mask(k).sum() <= BY_STEP)


def pick_layer(week: TrafficWeek, k: int, step: int) -> pdk.Layer:
    """Invisible cells of level k for clicks, and for a tooltip `v` with their volume: see `shows_step`.

    A cell is sent as its north-west corner; the browser adds the other corners, which lie alike for all. Of a country
    none is sent.
    """
    region = week.region
    corners, mask = region.corners(k), region.mask(k)
    rows, cols = np.nonzero(mask & (mask.sum() <= PICKABLE))
    volumes = week.volumes[k][step] if shows_step(region, k) else week.volumes[k].sum(0)
    records = [
        {"x": x, "y": y, "v": human_bytes(v)}
        for (x, y), v in zip(corners[rows, cols].round(7).tolist(), volumes[rows, cols].tolist(), strict=True)
    ]
    middle = corners.shape[0] // 2 - 1, corners.shape[1] // 2 - 1
    one = corners[middle[0] : middle[0] + 2, middle[1] : middle[1] + 2] - corners[middle]
    ring = ", ".join(f"[x + {x:.9f}, y + {y:.9f}]" for x, y in (one[0, 0], one[0, 1], one[1, 1], one[1, 0]))
    return pdk.Layer(
        "SolidPolygonLayer",
        id=f"cells-{k}",
        data=_json_url(records),
        get_polygon=f"[{ring}]",
        get_fill_color=[255, 255, 255, 0],
        pickable=True,
    )


def column_level(region: Region, k: int) -> int:
    """The finest level, no finer than k, whose columns still turn fluently."""
    return next((level for level in range(k, 0, -1) if region.mask(level).sum() <= COLUMNS), 0)


def columns_layer(volumes: np.ndarray, region: Region, k: int, scale: Scale, opacity: float) -> pdk.Layer:
    """One step (H, W) of level k in 3D: a column per cell that carries something, `v` its volume in words."""
    rows, cols = np.nonzero(region.mask(k) & (volumes > 0))
    west, south, east, north = region.frame_bounds
    tallest = TALLEST * min(east - west, north - south)
    chosen = volumes[rows, cols]
    records = [
        {"p": p, "h": h, "c": c, "v": human_bytes(v)}
        for p, h, c, v in zip(
            region.centres(k)[rows, cols].round(7).tolist(),
            (tallest * scale.share(chosen)).round(1).tolist(),
            traffic()[scale.entries(chosen), :3].tolist(),
            chosen.tolist(),
            strict=True,
        )
    ]
    side = region.hierarchy[k].side
    return pdk.Layer(
        "ColumnLayer",
        id="columns",
        data=_json_url(records),
        get_position="p",
        get_elevation="h",
        get_fill_color="c",
        disk_resolution=4,
        angle=45,  # a square, not a diamond
        radius=0.92 * side / math.sqrt(2),  # of the circle around it; narrow gaps separate neighbours
        opacity=opacity,
        extruded=True,
        pickable=True,
    )


def cell_rings(region: Region, k: int) -> np.ndarray:
    """(cells, 5, 2) lon/lat: the closed outlines of the region's cells of level k, row by row."""
    corners = region.corners(k).round(7)
    rings = np.stack([corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1], corners[:-1, :-1]], 2)
    return rings[region.mask(k)]


def picked_place(region: Region, k: int, index: int) -> tuple[int, int] | None:
    """(row, col) of the finest cell in the middle of the index-th cell of level k, or None where there is none."""
    rows, cols = np.nonzero(region.mask(k))
    if not 0 <= index < len(rows):
        return None
    side = region.hierarchy.space_factor(k)
    return int(rows[index]) * side + side // 2, int(cols[index]) * side + side // 2


def _path(layer_id: str, data: list[dict], colour: list[int], width: float) -> pdk.Layer:
    return pdk.Layer(
        "PathLayer",
        id=layer_id,
        data=data,
        get_path="p",
        get_color=colour,
        width_units='"pixels"',
        get_width=width,
        pickable=False,
    )


def _json_url(records: list[dict]) -> str:
    """Data as a URL: the page passes it on as one string instead of walking through thousands of objects."""
    return "data:application/json;base64," + base64.b64encode(orjson.dumps(records)).decode()
