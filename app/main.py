"""The page, from top to bottom: choose a region, generate its week, zoom."""

from dataclasses import replace
from functools import partial

import pydeck as pdk
import streamlit as st
from zoomdiff.app import (
    denoising,
    explore,
    generation,
    login,
    maps,
    messages,
    panels,
    runs,
    sidebar,
    store,
    stored,
    work,
    zoommap,
)
from zoomdiff.app.basemap import Frame
from zoomdiff.app.colours import dark, icon
from zoomdiff.app.guard import guarded
from zoomdiff.app.limits import public
from zoomdiff.app.messages import plain
from zoomdiff.app.sidebar import Wish
from zoomdiff.app.surroundings import OVERLAYS
from zoomdiff.app.work import Place, Request

from zoomdiff.errors import ZoomDiffError
from zoomdiff.levels import HOURS_PER_WEEK, S4T4
from zoomdiff.region import Region
from zoomdiff.week import TrafficWeek

NOTE = "What is generated here is made by a model, not measured."  # until a week says what its model learned from
FLAT, SOLID = "2D", "3D"
LIVE_HOUR = 2 * 24 + 18  # Wednesday evening: what is shown of a week while it comes
ALL_WEEK = range(HOURS_PER_WEEK)
TITLE = """<header style="display:flex;flex-wrap:wrap;align-items:baseline;gap:0 1rem">
<h1 style="font-size:1.6rem;padding:0;margin:0">ZoomDiff</h1>
<span>A week of mobile traffic for any region, from base stations and days down to 50 m squares and hours.</span>
</header>"""
STYLE = """<style>
@media (min-width: 641px) { .stAppHeader { background: transparent; } }
.stMainBlockContainer { padding: 1rem 2.5rem 1.5rem; }
.stDeckGlJsonChart { background: GROUND; border-radius: 6px; overflow: hidden; }
.st-key-zoommap_feeds, .st-key-live_feeds { display: none; }
.st-key-zoom [data-testid="stSliderTickBar"], [class*="st-key-step_"] [data-testid="stSliderTickBar"] { display: none; }
@media (max-width: 640px) { .stMainBlockContainer { padding: 3.5rem 1rem 1.5rem; } }
</style>"""


@guarded
def page() -> None:
    work.freeze_modules()
    st.set_page_config(page_title="ZoomDiff", page_icon=icon(), layout="wide")
    st.html(STYLE.replace("GROUND", "#1b1a1f" if dark() else "#e9e6e1"))
    st.html(TITLE)
    if login.missing():
        return
    sidebar.prefill(st.query_params)
    if st.session_state.map == sidebar.STORE:
        return stored.page()
    busy = generation.busy()
    st.session_state.pop("redrawn", None)

    with st.spinner("Reading the map …"), st.sidebar:
        wish = sidebar.wish(busy=busy)
        place, problem = look_up(wish)
        ready = place is not None and place.uec is not None
        sidebar.generate_button(ready=ready and not busy)
        shown = sidebar.overlays(place and place.uec, busy=busy)
        login.name()

    if st.session_state.pop("asked", False) and ready:
        start(wish, place)
    if busy and not ready:
        runs.cancel(generation.NAME)
        st.rerun()
    if problem := problem or runs.problem(generation.NAME):
        messages.error(problem)
    if place is None:
        return anywhere(wish)
    week = store.week_of(wish.request) if ready and not busy else None
    body = st.container()
    footer(place, week)
    with body:
        if not ready:
            nowhere(place, wish)
        elif busy:
            generating(wish, place, shown)
        elif week:
            explore.start(week, place.uec, wish.request)
            result(week, place, wish.request, shown)
        else:
            before(place, shown)


def look_up(wish: Wish) -> tuple[Place | None, str | None]:
    """The map and what is in the region; where that fails, the one sentence that says why and what there is.

    No place while there is no map: its path is not given, or it is read for a region that is not chosen yet.
    """
    if not wish.source or (wish.region is None and work.by_region(wish.source)):
        return None, wish.problem
    place, bar = None, st.empty()
    try:
        layers = work.map_of(
            wish.source, wish.region, lambda what, share: bar.progress(share or 0.0, f"{plain(what)} …")
        )
        place = Place(wish.source, layers, wish.region or sidebar.default_region(layers, wish.source), None)
        if wish.region:
            place = replace(place, uec=work.surroundings_of(wish.source, wish.region, wish.people))
    except ZoomDiffError as error:
        return place, str(error)
    finally:
        bar.empty()
    return place, wish.problem


def start(wish: Wish, place: Place) -> None:
    """Begin the week and draw the page anew, its sidebar locked. Not before what was typed just before the click has
    been read: Streamlit discards what a locked widget says."""
    generation.start(wish.request, place.uec)  # first: another rerun may end this one wherever something is drawn
    sidebar.write_address(wish)
    sidebar.remember(wish)
    st.rerun()


def ground(place: Place, shown: list[str], hours: range) -> list[pdk.Layer]:
    """What lies below the traffic: the basemap and the chosen context layers."""
    frame = Frame.around(place.region, place.layers.extent)
    drawn = [maps.basemap_layer(work.basemap_of(place.source, place.region, frame), frame)]
    return drawn + [OVERLAYS[name].draw(place.layers, place.uec, hours) for name in shown]


def hero(place: Place, name: str, shown: list[str], *, hours: range = ALL_WEEK, **options) -> None:
    """The map component, with the ground below and by default the tools for a region; see `zoommap.zoom_map`."""
    frame = Frame.around(place.region, place.layers.extent)
    busy = generation.busy()
    options = {"drawing": sidebar.drawing(busy=busy), "on_drawn": sidebar.drawn} | options
    zoommap.zoom_map(
        place.region,
        key="zoommap",
        name=name,
        basemap=(work.basemap_of(place.source, place.region, frame), frame),
        credit=place.layers.source,
        overlays=[OVERLAYS[overlay].draw(place.layers, place.uec, hours) for overlay in shown],
        quiet=busy,
        **options,
    )


def anywhere(wish: Wish) -> None:
    """While there is no map: what to do, and where a region can be drawn the world, from the network."""
    if not wish.source:
        st.info(
            "Upload a map in the sidebar: .osm.pbf, GeoParquet, GPKG, FlatGeobuf or GeoJSON."
            if public()
            else "Give the path of a map in the sidebar: .osm.pbf, GeoParquet, GPKG, FlatGeobuf, GeoJSON, or a folder."
        )
        return
    left, right = explore.screen()
    right.info("Choose a region: its map is read then. Draw it on the map, or give a box or a GeoJSON file.")
    if zoommap.available() and (drawing := sidebar.drawing(busy=False)):
        with left:
            zoommap.zoom_map(
                Region.from_bbox(sidebar.EMBEDDED_BOX),
                key="zoommap",
                name="anywhere",
                basemap=None,
                credit="",
                view=zoommap.View(0, 0),
                outline=False,
                drawing=drawing,
                on_drawn=sidebar.drawn,
            )


def nowhere(place: Place, wish: Wish) -> None:
    """The map while there is no region."""
    left, right = explore.screen()
    if wish.region is None and wish.problem is None:
        todo = {sidebar.DRAW: "Draw a region on the map.", sidebar.FILE: "Upload a GeoJSON file with a polygon."}
        right.info(todo.get(st.session_state.kind, "Choose a region in the sidebar."))
    with left:
        if zoommap.available():
            hero(place, "nowhere", [], view=zoommap.View(0, 0), outline=False)
        else:
            plain_map([*ground(place, [], ALL_WEEK)], place.region)


def before(place: Place, shown: list[str]) -> None:
    """The region on the basemap, in its blocks of one base station each."""
    region = place.region
    left, right = explore.screen()
    right.markdown(
        f"**{region.km2:,.2f} km²** in {region.blocks.sum():,} blocks of {S4T4[0].side:.0f} m, one base station each. "
        "Press **Generate** in the sidebar for a week of traffic."
    )
    if st.session_state.get("linked"):
        right.info("The link that you opened is to a week of this region: press **Generate** to make it.")
    with right:
        notes(place)
    with left:
        if zoommap.available():
            hero(place, f"before {work.region_key(region)}", shown, view=zoommap.View(0, 0))
        else:
            plain_map([*ground(place, shown, ALL_WEEK), maps.blocks_layer(region), maps.outline_layer(region)], region)


def notes(place: Place) -> None:
    """What is special about the region: next to the map, so that it stays on the screen."""
    for note in place.uec.notes:
        messages.warning(note)


def plain_map(layers: list[pdk.Layer], region) -> None:
    st.pydeck_chart(maps.deck(layers, region), height=explore.MAP_HEIGHT, alt="Map of the region")


def generating(wish: Wish, place: Place, shown: list[str]) -> None:
    """The map and the progress while the model runs; each level is shown as soon as it exists."""
    left, right = explore.screen()
    canvas, below = None, []
    with left:
        if zoommap.available():
            awaited = generation.awaited(wish.request)
            hero(place, awaited[0].feed, shown, view=zoommap.View(0, LIVE_HOUR), sheets=awaited)
        else:
            canvas, below = st.empty(), ground(place, shown, ALL_WEEK)
    with right:
        generation.progress(place.region, canvas, below)


@st.fragment
@guarded
def result(week: TrafficWeek, place: Place, request: Request, shown: list[str]) -> None:
    """The map and the weeks of its cells. What is done on it runs this part only, and never the model."""
    if st.session_state.pop("redrawn", False):
        st.rerun()
    left, right = explore.screen()
    view = FLAT
    playable = st.session_state.sheets is not None  # the map component was there when the week was
    with right:
        switches = st.container(horizontal=True, horizontal_alignment="distribute")
    if playable:
        with switches:
            view = st.segmented_control(
                "View",
                [FLAT, SOLID],
                key="view",
                required=True,
                default=FLAT,
                label_visibility="collapsed",
                persist_state="page",
            )
    if playable and view == FLAT:
        with left:
            played(week, place, request, shown)
        k = st.session_state.level
    else:
        with left:
            k = explore.slid(week, partial(ground, place, shown), solid=view == SOLID)
    with switches:
        curves = explore.curves_choice()
    with right:
        explore.numbers(week, k, curves)
        if playable and view == FLAT:
            denoising.control(week, place.uec, request, k)
        notes(place)
    sidebar.write_view(request, k, st.session_state.hour)
    panels.draw(week, place, request, k, partial(ground, place, [], ALL_WEEK))


def played(week: TrafficWeek, place: Place, request: Request, shown: list[str]) -> None:
    """The map component: its sliders and player need no Python."""
    sheets, people, use = st.session_state.sheets
    view = explore.shown()
    sheets = denoising.shown(request, view.level, sheets)
    level = week.level(view.level)
    first = view.hour // level.hours * level.hours
    changing = panels.drawing()
    changes = {"drawing": changing, "on_drawn": panels.drawn} if changing else {}
    hero(
        place,
        "-".join(sheet.feed for sheet in sheets),
        shown,
        hours=range(first, first + level.hours),
        view=view,
        sheets=sheets,
        busiest=st.session_state.busiest,
        people=people,
        use=use,
        on_view=explore.show,
        **changes,
    )


def footer(place: Place, week: TrafficWeek | None) -> None:
    """What the week was generated by, from what, and on what."""
    layers, uec = place.layers, place.uec
    note = week.provenance["training"] if week else NOTE
    sources = " ".join(uec.sources) if uec else f"Map: {layers.source}; {layers.licence}."
    st.caption(plain(f"{note} {sources} Computed on: {work.device()}."))


if __name__ == "__main__":  # so Streamlit runs this file
    page()
