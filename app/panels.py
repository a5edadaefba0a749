"""What can be done with a week, below the map: one panel at a time, so that only what is looked at is computed."""

from collections.abc import Callable

import pydeck as pdk
import shapely
import streamlit as st
from zoomdiff.app import downloads, explore, refine, understand, whatif, work, zoommap
from zoomdiff.app.work import Place, Request

from zoomdiff.export.reproduce import Inputs
from zoomdiff.week import TrafficWeek

UNDERSTAND, WHAT_IF, REFINE, FILES = "Understand", "What if", "Your own traffic", "Download"
PANELS = (UNDERSTAND, WHAT_IF, REFINE, FILES)


def draw(week: TrafficWeek, place: Place, request: Request, k: int, ground: Callable[[], list[pdk.Layer]]) -> None:
    """The panel that the user chooses, at level k and the cells that the map shows; `ground` makes what lies below."""
    name = st.segmented_control(
        "What to do with the week",
        PANELS,
        key="panel",
        required=True,
        default=UNDERSTAND,
        label_visibility="collapsed",
        persist_state="page",
    )
    cell = explore.places_of(week, k)[-1]
    match name:
        case "Understand":
            understand.panel(week, place.uec, k, cell)
        case "What if":
            whatif.panel(week, place, k, ground(), cell=cell, drawn=_ground_of_change())
        case "Your own traffic":
            refine.panel(place, ground(), seed=request.seed, steps=request.steps, preset=request.preset)
        case "Download":
            step = st.session_state.hour // week.level(k).hours
            logarithmic = st.session_state.get("look") == explore.LOGARITHMIC
            downloads.panel(week, place.uec, k, step, inputs=_inputs(request), logarithmic=logarithmic)


def drawing() -> zoommap.Drawing | None:
    """The tools for drawing the place of a change on the map, while changes are made."""
    if st.session_state.get("panel") != WHAT_IF:
        return None
    return zoommap.Drawing(st.session_state.get("change_drawn"), 0.0, of="change")


def drawn(polygon: dict | None) -> None:
    """Take the place of a change from the map."""
    st.session_state.change_drawn = polygon


def _ground_of_change() -> shapely.Polygon | None:
    polygon = st.session_state.get("change_drawn")
    return polygon and shapely.geometry.shape(polygon)


def _inputs(request: Request) -> Inputs:
    """What the user gave, for the recipe that makes the week again."""
    people = request.people
    return Inputs(
        map=request.source,
        whole_map=not work.by_region(request.source),
        population=people.raster,
        residents=people.residents,
    )
