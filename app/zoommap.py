"""The map component: draw a region, watch its levels come, play its week, click its cells.

The browser's side is app/frontend, bundled into app/static/zoommap.js at set-up (see the Makefile). What it receives is
a small JSON object; traffic goes separately, one element per level (a "feed") that is sent once, so that a change of
the JSON does not send it again. Volumes travel as codes of one byte: `encode`.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import orjson
import pydeck as pdk
import shapely
import streamlit as st
from zoomdiff.app import charts
from zoomdiff.app.basemap import Frame
from zoomdiff.app.colours import TRAFFIC, Scale, data_url

from zoomdiff.context.classes import AOI_CLASSES
from zoomdiff.context.uec import UEC
from zoomdiff.levels import HOURS_PER_WEEK, Hierarchy
from zoomdiff.region import Region

WORLD = (-120.0, -45.0, 150.0, 65.0)  # degrees, where people live
BUNDLE = Path(__file__).parent / "static" / "zoommap.js"
HOW_TO_GET = "Drawing and playing are off: their part of the page was not built. Run **make map** with internet once."
LOADER = """export default async function (component) {
  const bundle = await import(new URL("app/static/zoommap.js?%s", document.baseURI));
  return bundle.%s(component);
}"""


@dataclass(frozen=True)
class View:
    """What the map shows, in few words: `level`, `hour` of the week, `places` as finest cells (row, col)."""

    level: int
    hour: int
    places: tuple[tuple[int, int], ...] = ()
    logarithmic: bool = False  # its colours; the browser's own choice


@dataclass(frozen=True)
class Sheet:
    """A raster of bytes as the map gets it: one level's traffic, the people, or the use of the ground.

    feed   a name for these bytes and no others
    codes  (T, H, W) uint8 as bytes, or None while they do not exist yet
    most   what code 255 means
    top    where the colours end, in the same unit
    """

    feed: str
    codes: bytes | None = None
    most: float = 1.0
    top: float = 1.0


@dataclass(frozen=True)
class Drawing:
    """The tools for drawing: the GeoJSON polygon drawn so far, and the largest area of a region."""

    polygon: dict | None
    max_km2: float
    of: str = "region"  # or "change" or "part" (of a store), which do not snap to blocks


def available() -> bool:
    """Whether the component was built."""
    return BUNDLE.exists()


def encode(values: np.ndarray, most: float | None = None) -> tuple[np.ndarray, float]:
    """(codes, most): one byte per value, 0 for nothing, at least 1 for anything; value = most * (code / 255) ** 3.

    What is above a `most` that is given counts as that.
    """
    most = most or float(values.max(initial=0.0)) or 1.0
    share = np.cbrt(  # small values keep their digits
        np.minimum(np.asarray(values, np.float32) / np.float32(most), 1)
    )
    codes = np.round(share * 255).astype(np.uint8)
    return np.maximum(codes, values > 0).astype(np.uint8), most


def sheet(values: np.ndarray, scale: Scale | None = None, feed: str | None = None) -> Sheet:
    """Values (T, H, W) as the map gets them, by default under a name made from what they are."""
    codes, most = encode(values)
    return code_sheet(codes, most, scale, feed)


def code_sheet(codes: np.ndarray, most: float, scale: Scale | None = None, feed: str | None = None) -> Sheet:
    """The same of what `encode` returns."""
    return _named(codes.tobytes(), feed, most, scale.top if scale else most)


def use_sheet(uec: UEC) -> Sheet:
    """The use of the ground, as classes."""
    return _named(uec.aoi.astype(np.uint8).tobytes(), None, 1.0, 1.0)


def _named(codes: bytes, feed: str | None, most: float, top: float) -> Sheet:
    feed = feed or hashlib.blake2b(codes + repr((most, top)).encode(), digest_size=8).hexdigest()
    return Sheet(feed, codes, most, top)


def zoom_map(
    region: Region,
    *,
    key: str,
    sheets: Sequence[Sheet] = (),
    people: Sheet | None = None,
    use: Sheet | None = None,
    on_view: Callable[[View], None] | None = None,
    on_drawn: Callable[[dict | None], None] | None = None,
    **shown,
) -> None:
    """Show the map of a region; call it once per run of the page.

    key       of the element: the same one keeps the map where the user moved it
    sheets    one per level of the region's hierarchy, coarse to fine; those without codes are awaited: see `send`
    people    (168, H, W) on the finest raster, and
    use       (H, W), a class of AOI_CLASSES: what the tooltip shows in addition to the traffic
    on_view   called with the View once the user has clicked cells, or the sliders have come to rest
    on_drawn  called with the drawn GeoJSON polygon, or None when it was removed
    shown     what else is on it: see `message`
    """

    def viewed() -> None:
        if on_view and (seen := _read_view(st.session_state[key].get("view"), region.hierarchy, region.shape)):
            on_view(seen)

    def drawn() -> None:
        if on_drawn:
            on_drawn(st.session_state[key].get("drawn"))

    data = message(region, sheets=sheets, people=people, use=use, **shown)
    _component("default")(key=key, data=data, on_view_change=viewed, on_drawn_change=drawn)
    with st.container(key=f"{key}_feeds", gap=None):
        for each in (*sheets, people, use):
            if each is not None and each.codes is not None:
                send(each)


def message(
    region: Region,
    *,
    name: str,
    basemap: tuple[bytes, Frame] | None,
    credit: str,
    view: View,
    overlays: Sequence[pdk.Layer] = (),
    sheets: Sequence[Sheet] = (),
    people: Sheet | None = None,
    use: Sheet | None = None,
    busiest: Sequence[tuple[int, int]] = (),
    outline: bool = True,
    drawing: Drawing | None = None,
    quiet: bool = False,
) -> dict:
    """What the browser is sent of a map, as JSON (app/frontend/src/types.ts: MapData).

    name      of what is shown: while it stays the same the browser keeps its own view, a new one brings `view`
    basemap   WebP picture and the rectangle that it fills; `credit` is the sentence of its makers. None: the world,
              from the network
    overlays  pictures over the region's frame and points, as `surroundings` draws them
    busiest   per level a finest cell (row, col) in its busiest cell: framed while none is clicked
    outline   whether the blocks and the polygon that was asked for are drawn
    drawing   offers the tools for drawing
    quiet     while the model runs: newest level on top, and nothing is reported
    """
    return {
        "id": name,
        "frame": {"epsg": region.epsg, "bounds": region.frame_bounds},
        "fit": region.bounds if basemap else WORLD,
        "blocks": ["".join("01"[there] for there in row) for row in region.blocks.astype(int)] if outline else [],
        "wanted": _rings(region) if outline and not sheets and not drawing else [],
        "basemap": basemap and _basemap(*basemap),
        "tiles": basemap is None,
        "credit": credit,
        "overlays": [_overlay(layer) for layer in overlays],
        "levels": [_level(region, k, each.feed) for k, each in enumerate(sheets)],
        "people": people and people.feed,
        "use": use and {"feed": use.feed, "words": list(AOI_CLASSES)},
        "busiest": busiest,
        "palette": TRAFFIC.ravel().tolist(),
        "drawing": drawing and asdict(drawing),
        "view": {"level": view.level, "hour": view.hour, "places": view.places},
        "quiet": quiet,
    }


def _basemap(webp: bytes, frame: Frame) -> dict:
    return {"url": data_url(webp, "image/webp"), "frame": {"epsg": frame.epsg, "bounds": frame.bounds}}


def send(each: Sheet) -> None:
    """Send a sheet to every map that waits for it."""
    _component("receiveFeed")(key=f"feed_{each.feed}", data=packed(each), height=1)


def packed(each: Sheet) -> bytes:
    """A sheet as it travels: uint32 length of the JSON that holds all but the codes, the JSON, the codes."""
    about = orjson.dumps({"feed": each.feed, "most": each.most, "top": each.top})
    return len(about).to_bytes(4, "little") + about + each.codes


def _component(function: str):
    """The component that calls an exported function of the bundle; a new bundle gets a new address."""
    return _registered(function, BUNDLE.stat().st_mtime_ns if available() else 0)


@cache
def _registered(function: str, changed: int):
    return st.components.v2.component(f"zoommap_{function}", js=LOADER % (changed, function))


def _read_view(sent: object, hierarchy: Hierarchy, shape: tuple[int, int]) -> View | None:
    """What the browser says is shown, or None where it makes no sense: a browser may send anything."""
    try:
        level, hour = int(sent["level"]), int(sent["hour"])
        places = tuple((int(row), int(col)) for row, col in sent["places"])
    except (TypeError, ValueError, KeyError):
        return None
    inside = all(0 <= row < shape[0] and 0 <= col < shape[1] for row, col in places)
    fine = 0 <= level < len(hierarchy) and 0 <= hour < HOURS_PER_WEEK and inside
    return View(level, hour, places, sent.get("look") == "logarithmic") if fine else None


def _level(region: Region, k: int, feed: str) -> dict:
    level = region.hierarchy[k]
    rows, cols = region.mask(k).shape
    cell, span = charts.cell_words(level)
    return {
        "feed": feed,
        "words": charts.level_words(level),
        "cell": cell,
        "span": span,
        "hours": level.hours,
        "factor": region.hierarchy.space_factor(k),
        "rows": rows,
        "cols": cols,
    }


def _overlay(layer: pdk.Layer) -> dict:
    """A deck.gl layer of `surroundings` as the component draws it: a picture over the frame, or points."""
    if layer.type == "BitmapLayer":
        return {"url": layer.image.strip('"'), "opacity": layer.opacity}
    return {"points": orjson.loads(base64.b64decode(layer.data.partition(",")[2])), "opacity": 1}


def _rings(region: Region) -> list[list[list[float]]]:
    """The outlines of what was asked for."""
    parts = shapely.get_parts(region.polygon)
    return [
        np.round(shapely.get_coordinates(part.exterior), 6).tolist() for part in parts if part.geom_type == "Polygon"
    ]
