"""What if there were a mall, a match, a park? The week again with the same noise, and what the change does."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pydeck as pdk
import shapely
import streamlit as st
from shapely.geometry.base import BaseGeometry
from zoomdiff.app import charts, compare, maps, messages, runs, work, zoommap
from zoomdiff.app.messages import plain
from zoomdiff.app.runs import Job, Run
from zoomdiff.app.work import Place

from zoomdiff.analysis.effect import AROUND, ZONES, curve, effect, zones_of
from zoomdiff.context.edits import DAYS, Build, CloseRoad, Demolish, Edit, Event, Park, Scale
from zoomdiff.context.population import PEOPLE_PER_100M2
from zoomdiff.context.scenario import Scenario, apply, read_ground, read_scenario, to_geojson, touched
from zoomdiff.errors import OptionError
from zoomdiff.frames import to_frame, to_lonlat
from zoomdiff.generation import generate
from zoomdiff.region import Region
from zoomdiff.sampling import Callbacks, Sampling
from zoomdiff.week import TrafficWeek, human_bytes

NAME = "whatif"  # of its run, and the beginning of its keys
MAP_HEIGHT = 400
OPACITY = 0.9
MOST_EDITS = 100
UPLOAD_MB = 5
SQUARE, DRAWN, FILE = "Square", "Drawn on the map", "GeoJSON file"
WEEK, STEP = "Whole week", "Largest step"
PLACES = dict(zip(ZONES, ("inside the outline", f"up to {AROUND:.0f} m around", "elsewhere"), strict=True))


@dataclass(frozen=True)
class Kind:
    """A change as the panel offers it: its words, and the side in metres that such a thing usually has."""

    words: str
    side: int
    ask: Callable[[], Callable[[BaseGeometry], Edit]]  # draws its settings, returns what makes the edit of a ground


def panel(
    week: TrafficWeek,
    place: Place,
    k: int,
    below: list[pdk.Layer],
    *,
    cell: tuple[int, int] | None = None,
    drawn: BaseGeometry | None = None,
) -> None:
    """Changes of the map, and the week `week` of `place` with and without them at level k.

    below  layers under the difference, such as the basemap
    cell   finest (row, col) that the user has clicked; the busiest without it
    drawn  what the user has drawn on the map, in degrees
    """
    edits: list[Edit] = st.session_state.setdefault("whatif_edits", [])
    left, right = st.columns([4, 7], gap="medium")
    with left:
        pending = _new_change(week.region, edits, cell or charts.busiest_cell(week.volumes[-1]), drawn)
        _list_of(edits)
        scenario = Scenario(tuple(edits))
        _run_button(week, place, edits)
    with right:
        runs.follow(NAME, partial(st.session_state.__setitem__, "whatif_result"))
        done = st.session_state.get("whatif_result")
        if done and done[0] == _key(week, scenario):
            _result(week, done[1], scenario, k, below)
        else:
            _outlines(week.region, edits, pending, below)


def _new_change(
    region: Region, edits: list[Edit], cell: tuple[int, int], drawn: BaseGeometry | None
) -> BaseGeometry | None:
    """The form of one change; returns where it would be."""
    kind = KINDS[
        st.selectbox("What changes", list(KINDS), format_func=lambda name: KINDS[name].words, key="whatif_kind")
    ]
    make = kind.ask()
    ways = [SQUARE, FILE] if drawn is None else [DRAWN, SQUARE, FILE]
    if drawn is None and zoommap.available():
        st.caption("Draw its outline on the map above, or say where it is:")
    where = st.segmented_control("Where", ways, default=ways[0], required=True, key=f"whatif_where_{len(ways)}")
    ground = {SQUARE: partial(_square, region, cell, kind), DRAWN: lambda: drawn, FILE: _uploaded}[where]
    try:
        shape = ground()
        edit = shape and make(shape)
        outside = edit and not touched(region, Scenario((edit,))).any()
        problem = "The place lies outside the region: choose one inside it." if outside else None
    except OptionError as error:
        edit, problem = None, _sentence(error)
    if len(edits) >= MOST_EDITS:
        edit, problem = None, f"There are {MOST_EDITS} changes already: remove one first."
    if problem:
        edit = None
    # The click is only remembered: a callback knows the form before it, without what was typed just before the click.
    st.button(
        "Add the change",
        on_click=partial(st.session_state.__setitem__, "whatif_adding", True),
        key="whatif_add",
        icon=":material/add:",
        width="stretch",
        disabled=edit is None,
    )
    if problem:
        messages.error(problem)
    if st.session_state.pop("whatif_adding", False) and edit:
        edits.append(edit)
    return edit and edit.ground


def _square(region: Region, cell: tuple[int, int], kind: Kind) -> shapely.Polygon:
    """A square of a chosen side around a chosen place; the place follows the clicked cell."""
    state = st.session_state
    chosen = (work.region_key(region), cell)
    if state.get("whatif_cell") != chosen or "whatif_lat" not in state:
        state.whatif_cell = chosen
        state.whatif_lon, state.whatif_lat = region.centres()[cell].round(5).tolist()
    wide, left, right = st.columns(3)
    side = wide.number_input("Side, m", 10, 5000, kind.side, 10, key=f"whatif_side_{kind.words}")
    lat = left.number_input(
        "Latitude, °", -80.0, 80.0, step=0.0005, format="%.5f", key="whatif_lat", persist_state="page"
    )
    lon = right.number_input(
        "Longitude, °",
        -180.0,
        180.0,
        step=0.0005,
        format="%.5f",
        key="whatif_lon",
        persist_state="page",
        help="The middle of the square: at first the cell that you clicked, or the busiest one.",
    )
    x, y = to_frame(region.epsg).transform(lon, lat)
    if not np.isfinite([x, y]).all():
        raise OptionError("The place is too far from the region: choose one inside it.")
    box = shapely.box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    return shapely.transform(box, to_lonlat(region.epsg).transform, interleaved=False)


def _uploaded() -> BaseGeometry | None:
    upload = st.file_uploader(
        "A polygon as GeoJSON (WGS84)", ["geojson", "json"], key="whatif_ground", max_upload_size=UPLOAD_MB
    )
    return read_ground(upload.getvalue()) if upload else None


def _list_of(edits: list[Edit]) -> None:
    """The changes made so far: each can be taken away, all can be saved and loaded."""
    st.markdown(f"**Changes: {len(edits)}**" if edits else "**No change yet**")
    for number, edit in enumerate(edits):
        words, bin_ = st.columns([6, 1], vertical_alignment="center")
        words.markdown(f"{number + 1}\\. {plain(describe(edit))}")
        bin_.button(
            "",
            on_click=edits.pop,
            args=(number,),
            key=f"whatif_remove_{number}",
            icon=":material/delete:",
            help=f"Remove change {number + 1}",
        )
    with st.popover("Save or load changes", icon=":material/folder_open:", width="stretch"):
        st.download_button(
            "Save as GeoJSON",
            partial(to_geojson, Scenario(tuple(edits))),
            file_name="zoomdiff-changes.geojson",
            mime="application/geo+json",
            key="whatif_save",
            on_click="ignore",
            icon=":material/download:",
            disabled=not edits,
        )
        upload = st.file_uploader(
            "Load a file of changes; it replaces the list",
            ["geojson", "json"],
            key="whatif_load",
            max_upload_size=UPLOAD_MB,
        )
    # A file is loaded once: what is changed afterwards stays changed.
    if upload and upload.file_id != st.session_state.get("whatif_loaded"):
        try:
            loaded = read_scenario(upload.getvalue())
            if len(loaded.edits) > MOST_EDITS:
                raise OptionError(f"The file holds {len(loaded.edits):,} changes and the limit is {MOST_EDITS}.")
        except OptionError as error:
            messages.error(str(error))
            return
        st.session_state.whatif_loaded = upload.file_id
        edits[:] = loaded.edits
        st.rerun()


def _run_button(week: TrafficWeek, place: Place, edits: list[Edit]) -> None:
    about = week.provenance

    def prepare() -> Job[tuple[str, TrafficWeek]]:
        scenario = Scenario(tuple(edits))
        model, uec, key = work.model(), apply(place.uec, scenario), _key(week, scenario)
        sampling = Sampling(about["steps"], about["preset"])

        def do(run: Run) -> tuple[str, TrafficWeek]:
            callbacks = Callbacks(runs.by_stage(run, sampling.steps))
            return key, generate(model, uec, seed=about["seed"], sampling=sampling, callbacks=callbacks)

        return Job(do, work.cost(uec.region, sampling.steps))

    why = "With the same seed, so that what differs is the work of the changes alone."
    runs.start_button("Generate the changed week", NAME, prepare, ready=bool(edits), help=why)


def _outlines(region: Region, edits: list[Edit], pending: BaseGeometry | None, below: list[pdk.Layer]) -> None:
    """Where the changes are, and where the next one would be, while there is no result."""
    layers = [
        *below,
        maps.blocks_layer(region),
        compare.outlines_layer([] if pending is None else [pending], pending=True),
        compare.outlines_layer(edit.ground for edit in edits),
    ]
    st.pydeck_chart(
        compare.deck(layers, region, MAP_HEIGHT), height=MAP_HEIGHT, alt="Map of the changes", key="whatif_where_map"
    )
    st.caption("Thick: the changes. Thin, red: the place of the next one, before it is added.")
    if not edits:
        st.info("Add a change to see what it does to the week.", icon=":material/info:")


def _result(before: TrafficWeek, after: TrafficWeek, scenario: Scenario, k: int, below: list[pdk.Layer]) -> None:
    """The difference as a map, as totals and as curves."""
    region = before.region
    zones = zones_of(region, scenario)
    inside = zones == ZONES.index("inside")
    for note in after.provenance["notes"][len(before.provenance["notes"]) :]:
        messages.warning(note)
    choice, legend = st.columns([2, 3], vertical_alignment="center")
    shown = choice.segmented_control("Difference of", [WEEK, STEP], default=WEEK, required=True, key="whatif_shown")
    by_step = after.volumes[k] - before.volumes[k]
    step = int(np.abs(by_step).sum((1, 2)).argmax())
    difference, when = (by_step.sum(0), "in the week") if shown == WEEK else (by_step[step], before.time_label(k, step))
    top = compare.difference_top(difference)
    square, _ = charts.cell_words(before.level(k))
    title = f"Traffic with the changes minus traffic without, per {square}, {when}"
    legend.html(compare.difference_legend(title, top, OPACITY))
    layers = [
        *below,
        compare.difference_layer(difference, region, k, top, OPACITY),
        maps.blocks_layer(region),
        compare.outlines_layer(edit.ground for edit in scenario.edits),
    ]
    st.pydeck_chart(compare.deck(layers, region, MAP_HEIGHT), height=MAP_HEIGHT, alt=title, key="whatif_map")
    _totals(before, after, zones)
    _hours_of_events(before, after, scenario, inside)
    where = st.segmented_control(
        "Week of the squares", list(PLACES), format_func=PLACES.get, default="inside", required=True, key="whatif_curve"
    )
    cells = inside if where == "inside" else zones == ZONES.index(where)
    weeks = {"before": curve(before, cells, k), "with the changes": curve(after, cells, k)}
    st.plotly_chart(compare.curves(weeks), key="whatif_curves", config={"displayModeBar": False})


def _totals(before: TrafficWeek, after: TrafficWeek, zones: np.ndarray) -> None:
    table = effect(before, after, zones)
    was, now = before.total(), after.total()
    st.markdown(
        f"**{human_bytes(was)}** in the week before, **{human_bytes(now)}** with the changes: "
        f"**{compare.signed_bytes(now - was)}** ({compare.percent(was, now)})."
    )
    st.table(
        {
            "Where": [PLACES[name] for name in table.index],
            "Before": [human_bytes(v) for v in table.before],
            "With the changes": [human_bytes(v) for v in table.after],
            "Change": [
                f"{compare.signed_bytes(b - a)} ({compare.percent(a, b)})"
                for a, b in zip(table.before, table.after, strict=True)
            ],
            "Share of all that changes": [f"{share:.0%}" for share in table.share],
        }
    )


def _hours_of_events(before: TrafficWeek, after: TrafficWeek, scenario: Scenario, inside: np.ndarray) -> None:
    """How much of the rise falls into the hours of the events: the model has hardly seen any, and blurs them."""
    hours = [edit.hours for edit in scenario.edits if isinstance(edit, Event)]
    rise = curve(after, inside) - curve(before, inside)
    if hours and rise.sum() > 0:
        share = rise[np.unique(np.concatenate(hours))].sum() / rise.sum()
        st.caption(
            f"{share:.0%} of the rise inside the outline falls into the hours of the event. The model knows no "
            "crowds of a few hours and spreads them over the day: trust the rise of the day more than that of an hour."
        )


def describe(edit: Edit) -> str:
    """An edit in the panel's words."""
    if isinstance(edit, Build):
        kind = next((KINDS[name].words for name, use in USES.items() if use == edit.use), f"New buildings ({edit.use})")
        return f"{kind}: {edit.floor_m2:,.0f} m² of floor"
    text = str(edit)
    return text[0].upper() + text[1:]


def _key(week: TrafficWeek, scenario: Scenario) -> str:
    """The same for the same week and changes."""
    about = json.dumps(week.provenance, sort_keys=True, default=str)
    text = work.region_key(week.region) + about + to_geojson(scenario).decode()
    return hashlib.sha256(text.encode()).hexdigest()


def _sentence(error: OptionError) -> str:
    """An edit's errors go on after 'Feature 1: ', so they begin small."""
    text = str(error)
    return text[0].upper() + text[1:]


def _ask_floor(use: str, m2: int, who: str) -> Callable[[BaseGeometry], Edit]:
    people = PEOPLE_PER_100M2[use][0]
    floor = st.number_input(
        "Floor area of all storeys, m²",
        100,
        10_000_000,
        m2,
        1000,
        key=f"whatif_floor_{use}",
        help=f"At the busiest hour about {people:g} {who} per 100 m² are there.",
    )
    return lambda ground: Build(ground, use, float(floor))


def _ask_event() -> Callable[[BaseGeometry], Edit]:
    visitors = st.number_input("Visitors at once", 1, 1_000_000, 30_000, 1000, key="whatif_visitors")
    day, start, end = st.columns([5, 4, 4])
    weekday = day.selectbox("Day", DAYS, index=5, key="whatif_day")
    from_hour = start.number_input("From, h", 0, 23, 18, key="whatif_from", help="Local time, a whole hour.")
    to_hour = end.number_input("To, h", 0, 24, 22, key="whatif_to", help="Before the first hour: on the next day.")
    return lambda ground: Event(ground, visitors, weekday, from_hour, to_hour)


def _ask_road() -> Callable[[BaseGeometry], Edit]:
    roads = {None: "All but footpaths", "motorway": "Motorways", "primary": "Main roads"}
    roads |= {"secondary": "Secondary roads", "local": "Local streets", "path": "Footpaths"}
    road = st.selectbox("Which roads", list(roads), format_func=roads.get, key="whatif_road")
    return lambda ground: CloseRoad(ground, road)


def _ask_factor() -> Callable[[BaseGeometry], Edit]:
    factor = st.number_input(
        "Times as many people as today", 0.0, 1000.0, 1.5, 0.1, key="whatif_factor", help="Below 1: fewer people."
    )
    return lambda ground: Scale(ground, factor)


USES = {"mall": "commercial", "offices": "office", "flats": "residential"}
KINDS = {
    "mall": Kind("New shopping mall", 200, partial(_ask_floor, "commercial", 40_000, "visitors and staff")),
    "offices": Kind("New offices", 150, partial(_ask_floor, "office", 30_000, "workers")),
    "flats": Kind("New flats", 150, partial(_ask_floor, "residential", 20_000, "residents")),
    "event": Kind("Event with visitors", 250, _ask_event),
    "park": Kind("New park", 300, lambda: Park),
    "road": Kind("Closed road", 150, _ask_road),
    "demolish": Kind("Buildings taken down", 150, lambda: Demolish),
    "people": Kind("More or fewer people", 200, _ask_factor),
}
