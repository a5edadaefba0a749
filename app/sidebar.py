"""The sidebar: which map, which region, which settings, which layers."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st
from zoomdiff.app import store, work, zoommap
from zoomdiff.app.limits import MAX_KM2, Limits, public, stores_folder
from zoomdiff.app.surroundings import OVERLAYS

from zoomdiff.context import UEC, MapLayers
from zoomdiff.context.uec import MOST_RESIDENTS
from zoomdiff.diffusion.schedule import TOTAL_STEPS
from zoomdiff.errors import OptionError, RegionTooLargeError, ZoomDiffError
from zoomdiff.generation import FAST
from zoomdiff.levels import HOURS_PER_WEEK, S4T4
from zoomdiff.outline import parse_bbox
from zoomdiff.region import Region

EMBEDDED, FICTIONAL, OWN, UPLOAD, STORE = "helsinki", "town7", "own", "upload", "store"
MAPS = {  # as the user calls them
    EMBEDDED: "Helsinki centre (embedded)",
    FICTIONAL: "Demo city, 8 x 8 km (fictional)",
    "osm": "Anywhere: OpenStreetMap (download)",
    "overture": "Anywhere: Overture Maps (download)",
    OWN: "Own map on this computer",
    STORE: "Finished store (week.zarr)",
}
LINKED = (EMBEDDED, FICTIONAL)  # maps that a link may open: no link should make a page download or read files
UPLOADED = ["pbf", "parquet", "gpkg", "fgb", "geojson"]  # kinds of maps that are one file
EMBEDDED_BOX = (24.9386, 60.1656, 24.9518, 60.1755)  # the six blocks that lie wholly inside the embedded map
METRES_PER_DEGREE = 111_000  # of latitude
EDGE = 20.0  # metres: a map of whole blocks in UTM is no rectangle in degrees
MAX_OWN_STEPS = TOTAL_STEPS // len(S4T4)  # per level
MAX_SEED = 2**53 - 1  # what a browser can count to
RECENT_KEPT = 5
PRESET, DRAW, BOX, FILE = "Preset", "Draw", "Box", "GeoJSON"
STEPS = {"fast": "Fast", "full": "Full", "own": "Custom"}
TYPED = ("seed", "own_steps", "residents", "bbox", "path")  # fields that a click on Generate may leave
HABITS = {"europe": "Europe", "china": "China"}


@dataclass(frozen=True)
class Wish:
    """What the user has set. `region` is None where it cannot be used; `problem` says why, in one sentence."""

    source: str
    region: Region | None
    steps: str | int
    seed: int
    preset: str
    people: work.People = work.ESTIMATED
    problem: str | None = None

    @property
    def request(self) -> work.Request | None:
        if self.region is None:
            return None
        return work.Request(self.source, work.region_key(self.region), self.steps, self.seed, self.preset, self.people)


DIGITS = 12  # of a number in an address that are read: more is larger than any limit


def prefill(query: Mapping[str, str]) -> None:
    """Start a session from the address: ?map=town7&bbox=W,S,E,N&seed=7&habits=china&steps=full&level=2&t=66.

    With a level (0..3, coarse to fine) or an hour t of the week it is a link to a week, which is made by one click: a
    page elsewhere that opens links must not keep the model busy. With `week`, a token of the store, the week is there.
    """
    state = st.session_state
    if "seed" in state:
        return
    level, hour = _number(query.get("level"), len(S4T4) - 1), _number(query.get("t"), HOURS_PER_WEEK - 1)
    state.linked = {name: value for name, value in (("level", level), ("hour", hour)) if value is not None}
    if kept := store.find(query.get("week")):
        _restore(kept, query["week"])
        return
    state.seed = _number(query.get("seed"), MAX_SEED) or 0
    state.bbox = query.get("bbox") or ",".join(map(str, EMBEDDED_BOX))
    state.kind = BOX if query.get("bbox") else PRESET
    state.map = query["map"] if query.get("map") in LINKED else EMBEDDED
    state.habits = query["habits"] if query.get("habits") in HABITS else next(iter(HABITS))
    state.steps = query["steps"] if query.get("steps") in ("fast", "full") else "fast"
    if own := _number(query.get("steps"), MAX_OWN_STEPS):
        state.steps, state.own_steps = "own", own


def _restore(kept: store.Kept, token: str) -> None:
    """Start a session with a week of the store."""
    state, request = st.session_state, kept.request
    state.seed, state.habits = request.seed, request.preset
    state.steps = request.steps if request.steps in STEPS else "own"
    if state.steps == "own":
        state.own_steps = request.steps
    state.residents = int(request.people.residents or 0)
    state.kept_raster = request.people.raster
    if request.source in MAPS:
        state.map = request.source
    elif public():
        state.map, state.kept_map = UPLOAD, request.source
    else:
        state.map, state.path = OWN, request.source
    state.kind, state.preset = PRESET, _offer(request.source, kept.week.region)
    work.keep(request, kept.week)
    store.tokens()[request] = token


def _number(text: str | None, most: int) -> int | None:
    """A whole number 0..most of the address; a larger one counts as `most`."""
    return min(int(text[:DIGITS]), most) if text and text.isdecimal() else None


def wish(*, busy: bool) -> Wish:
    """Draw map, region, habits, steps and seed; `busy` locks them."""
    source = _source(busy)
    problem, region = None, None
    try:
        region = _region(source, busy)
    except RegionTooLargeError as error:
        problem = str(error)
        if not public():
            problem = f"{problem.removesuffix('.')}, or start the app with a larger {MAX_KM2}."
    except ZoomDiffError as error:
        problem = str(error)
    preset = st.segmented_control(
        "Habits like in",
        list(HABITS),
        format_func=HABITS.get,
        required=True,
        key="habits",
        width="stretch",
        help="When people use their phones: Chinese cities have a noon spike, European ones a flatter day with its "
        "peak at 18 h. Fitted to open measurements of Nanjing, Nanchang and Milan.",
        persist_state="page",  # of a store's page, where these are not
        disabled=busy,
    )
    left, right = st.columns(2)
    steps = left.selectbox(
        "Steps",
        list(STEPS),
        format_func=STEPS.get,
        key="steps",
        help=f"Fast takes {sum(FAST)} steps, full {TOTAL_STEPS}. More take longer and come closer to real variety.",
        persist_state="page",
        disabled=busy,
    )
    seed = right.number_input(
        "Seed",
        0,
        MAX_SEED,
        key="seed",
        help="The same seed gives the same week again; another one gives another week of the same place.",
        persist_state="page",
        disabled=busy,
    )
    if steps == "own":
        st.session_state.setdefault("own_steps", 20)
        steps = st.number_input(
            "Steps per level", 1, MAX_OWN_STEPS, key="own_steps", persist_state="page", disabled=busy
        )
    people = _people(busy)
    return Wish(source, region, steps, seed, preset, people, problem)


def map_choice(*, busy: bool = False) -> str:
    """Draw the choice of a map, or of a week that is in a store."""
    of_strangers = [*LINKED, UPLOAD, *([STORE] if stores_folder() else [])]
    return st.selectbox(
        "Map",
        of_strangers if public() else list(MAPS),
        format_func=(MAPS | {UPLOAD: "Own map"}).get,
        key="map",
        disabled=busy,
    )


def _source(busy: bool) -> str:
    """Draw the choice of a map; "" while it is not given."""
    source = map_choice(busy=busy)
    if source == UPLOAD:
        upload = st.file_uploader(
            "A map", UPLOADED, key="map_file", help="Up to 50 MB: cut out your region.", disabled=busy
        )
        return work.keep_upload(upload) if upload else st.session_state.get("kept_map", "")
    if source == OWN:
        return st.text_input(
            "Path of the map",
            key="path",
            placeholder="/maps/city.osm.pbf",
            help=".osm.pbf, GeoParquet, GPKG, FlatGeobuf, GeoJSON, or a folder with buildings.parquet, roads.parquet …",
            persist_state="page",
            disabled=busy,
        ).strip()
    return source


def _people(busy: bool) -> work.People:
    """Draw what the user may know of who lives there; an estimate from the map where that is nothing."""
    with st.expander("Who lives there"):
        residents = st.number_input(
            "Residents of the region (0: estimated from the map)",
            0,
            int(MOST_RESIDENTS),
            key="residents",
            persist_state="page",
            disabled=busy,
        )
        upload = st.file_uploader(
            "People per pixel, a GeoTIFF such as GHS-POP or WorldPop",
            ["tif", "tiff"],
            key="population",
            help="Up to 50 MB: cut out your region. Its sums are kept.",
            disabled=busy,
        )
        kept = st.session_state.get("kept_raster")
        if kept and not st.checkbox("Those of the link's week", True, key="use_kept_raster", disabled=busy):
            kept = None
    return work.People(work.keep_upload(upload) if upload else kept, residents or None)


def remember(wish: Wish) -> None:
    """Offer the region again for its map: as long as the session lasts, newest first."""
    _offer(wish.source, wish.region)


def _offer(source: str, region: Region) -> str:
    """The name under which the region is offered for its map from now on."""
    lon, lat = region.polygon.centroid.coords[0]
    words = f"Recent: {region.km2:,.2f} km² at {lat:.4f}, {lon:.4f}"
    recent = st.session_state.setdefault("recent", {}).setdefault(source, {})
    others = {name: region for name, region in recent.items() if name != words}
    st.session_state.recent[source] = dict([(words, region), *others.items()][:RECENT_KEPT])
    return words


def overlays(uec: UEC | None, *, busy: bool) -> list[str]:
    """Draw a switch per context layer, with its legend where it is on; returns those that are on."""
    st.caption("What the model knows about the place")
    shown = []
    for name, overlay in OVERLAYS.items():
        if st.toggle(overlay.words, key=f"show_{name}", persist_state="page", disabled=busy) and uec is not None:
            shown.append(name)
            st.html(overlay.legend(uec))
    return shown


def generate_button(*, ready: bool) -> None:
    """A click is remembered, as `asked`, until the page has read what else came with it."""

    def ask() -> None:
        state = st.session_state
        state.asked = True
        for name in TYPED:  # of a locked widget Streamlit keeps what Python has set, not what came with the click
            if name in state:
                state[name] = state[name]

    st.button("Generate", on_click=ask, key="generate", type="primary", width="stretch", disabled=not ready)


def write_address(wish: Wish) -> None:
    """Put what the week depends on into the page's address, so that it can be shared: as `prefill` reads it.

    Own maps and polygons other than boxes do not fit into an address; then it stays bare.
    """
    address = {}
    if wish.source in LINKED and wish.region and _is_box(wish.region) and wish.people == work.ESTIMATED:
        box = ",".join(f"{degrees:.6f}" for degrees in wish.region.polygon.bounds)
        address = {
            "map": wish.source,
            "bbox": box,
            "seed": str(wish.seed),
            "habits": wish.preset,
            "steps": str(wish.steps),
        }
    st.query_params.from_dict(address)


def write_view(request: work.Request, level: int, hour: int) -> None:
    """Add what is shown to an address that names its week, and the week's token."""
    if token := store.tokens().get(request):
        st.query_params["week"] = token
    if not {"bbox", "week"}.isdisjoint(st.query_params):
        st.query_params.update(level=str(level), t=str(hour))


def _is_box(region: Region) -> bool:
    return region.polygon.equals(region.polygon.envelope)


def drawing(*, busy: bool) -> zoommap.Drawing | None:
    """The tools for drawing, while they are wanted."""
    if busy or st.session_state.kind != DRAW:
        return None
    try:
        return zoommap.Drawing(st.session_state.get("drawn"), Limits.of_server().km2)
    except OptionError:  # shown already, where the region was wanted
        return None


def drawn(polygon: dict | None) -> None:
    """Take a polygon from the map."""
    st.session_state.drawn, st.session_state.redrawn = polygon, True


def default_region(layers: MapLayers, source: str, *, max_km2: float | None = None) -> Region:
    """What to show of a map before a region is chosen: a good piece of the embedded one, the middle of others."""
    return Region.from_bbox(EMBEDDED_BOX if source == EMBEDDED else _middle(layers.extent), max_km2=max_km2)


def _region(source: str, busy: bool) -> Region | None:
    """Draw the choice of a region; None while there is nothing to choose from. Raises ZoomDiffError."""
    kinds = [kind for kind in (PRESET, DRAW, BOX, FILE) if kind != DRAW or zoommap.available()]
    recent = st.session_state.get("recent", {}).get(source, {})
    by_region = bool(source) and work.by_region(source)  # its middle is not known yet
    if by_region and not recent:
        kinds.remove(PRESET)
        if st.session_state.kind == PRESET:
            st.session_state.kind = kinds[0]
    kind = st.radio("Region", kinds, key="kind", horizontal=True, persist_state="page", disabled=busy)
    if not zoommap.available():
        st.caption(zoommap.HOW_TO_GET)
    limit = Limits.of_server().km2
    if kind == PRESET:
        near = "Helsinki centre" if source == EMBEDDED else "Middle of the map"
        presets = [*([] if by_region else [near, "Whole map"]), *recent]
        preset = st.selectbox(
            "Preset", presets, key="preset", label_visibility="collapsed", persist_state="page", disabled=busy
        )
        if not source:
            return None
        if preset in recent:
            return recent[preset]
        layers = work.map_of(source)
        if preset == "Whole map":
            return Region.from_bbox(_whole(layers.extent), max_km2=limit)
        return default_region(layers, source, max_km2=limit)
    if kind == DRAW:
        polygon = st.session_state.get("drawn")
        st.caption("Draw a rectangle or a polygon on the map, with the tools in its corner.")
        return Region.from_geojson(json.dumps(polygon), max_km2=limit) if polygon else None
    if kind == BOX:
        text = st.text_input("West, south, east, north in degrees", key="bbox", persist_state="page", disabled=busy)
        return Region.from_bbox(parse_bbox(text), max_km2=limit)
    upload = st.file_uploader("A polygon as GeoJSON", ["geojson", "json"], key="upload", disabled=busy)
    return Region.from_geojson(upload.getvalue(), max_km2=limit) if upload else None


def _whole(extent: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """All of a map but its very edge: blocks that it hardly touches are left out."""
    west, south, east, north = extent
    up = EDGE / METRES_PER_DEGREE
    across = up / max(math.cos(math.radians((south + north) / 2)), 0.1)
    return west + across, south + up, east - across, north - up


def _middle(extent: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """About 1.5 x 1.5 km in the middle of a map, or all of a smaller one."""
    west, south, east, north = extent
    lon, lat = (west + east) / 2, (south + north) / 2
    up = min(0.007, (north - south) / 2)
    across = min(0.007 / max(math.cos(math.radians(lat)), 0.1), (east - west) / 2)
    return lon - across, lat - up, lon + across, lat + up
