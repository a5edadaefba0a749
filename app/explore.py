"""The result: the map with its sliders, the week of the clicked cells, totals and files."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np
import pydeck as pdk
import streamlit as st
from zoomdiff.app import charts, maps, zoommap
from zoomdiff.app.colours import Scale, dark, data_url, palette_png, scale_legend, traffic

from zoomdiff.context.uec import UEC
from zoomdiff.levels import Level
from zoomdiff.realism.statistics import top_share
from zoomdiff.region import Region
from zoomdiff.week import WEEKDAYS, TrafficWeek, human_bytes

MAP_HEIGHT = 540
LIVE_OPACITY = 0.85
LOOKS = LINEAR, LOGARITHMIC = ("linear", "logarithmic")
FEWEST = 10  # cells that have a tenth
CURVES = WEEK, DAY = ("Week", "Average day")


class Shown(Protocol):
    """What a week depends on: equal ones have equal weeks, and those of an equal `region` have the same cells."""

    region: object


def start(week: TrafficWeek, uec: UEC | None, request: Shown) -> None:
    """Before a week is shown for the first time: its colour scales, what the map is sent, and in a new region its
    busiest hour and no clicked cell. A share link brings its own level and hour."""
    state = st.session_state
    before, linked = state.get("explored"), state.pop("linked", {})
    if before == request and (state.sheets is not None) == zoommap.available():
        return
    state.explored = request
    state.scales = [Scale.of(x_k) for x_k in week.volumes]
    state.busiest = [_middle_of(week.region, k, charts.busiest_cell(x_k)) for k, x_k in enumerate(week.volumes)]
    state.sheets = None
    if zoommap.available():
        sheets = [zoommap.sheet(*pair) for pair in zip(week.volumes, state.scales, strict=True)]
        state.sheets = sheets, uec and zoommap.sheet(uec.population), uec and zoommap.use_sheet(uec)
    finest = len(week.volumes) - 1
    state.level = min(linked.get("level", state.get("level", finest)), finest)
    if before is None or before.region != request.region:
        # The hour of the week that is shown, whichever level it is shown at.
        state.hour = linked.get("hour", week.peak_step())
        state.places = ()  # finest cells (row, col) that were clicked


def show(view: zoommap.View) -> None:
    """What the user did on the map."""
    state = st.session_state
    state.level, state.hour, state.places = view.level, view.hour, view.places
    state.look = LOGARITHMIC if view.logarithmic else LINEAR


def shown() -> zoommap.View:
    state = st.session_state
    return zoommap.View(state.level, state.hour, state.places)


def screen() -> tuple:
    """The column of the map and the one next to it, always the same two: so the map stays where the user left it."""
    return st.columns([8, 4], gap="medium")


def slid(week: TrafficWeek, ground: Callable[[range], list[pdk.Layer]], *, solid: bool = False) -> int:
    """The map without the component, or in 3D, below Streamlit's sliders; returns the level.

    `ground` makes what lies below the traffic of some hours of the week.
    """
    zoom, time = st.columns([5, 7], gap="medium")
    with zoom:
        k = zoom_slider(week)
    with time:
        step = time_slider(week, k)
    look, bar, dim = st.columns([3, 4, 3], gap="medium")
    scale = traffic_scale(k, look.radio("Colours", LOOKS, key="look", horizontal=True, persist_state="page"))
    opacity = dim.slider("Opacity", 0.1, 1.0, 0.8, 0.05, key="opacity", persist_state="page")
    level = week.level(k)
    with bar:
        legend(level, scale, opacity)
    draw = columns_map if solid else traffic_map
    draw(week, k, step, scale, opacity, ground(range(step * level.hours, (step + 1) * level.hours)))
    return k


def numbers(week: TrafficWeek, k: int, curves: str) -> None:
    """Next to the map: what is shown at level k in words, the chosen cells' curves, the levels beside each other."""
    step = st.session_state.hour // week.level(k).hours
    totals(week, k, step)
    cell_curves(week, k, step, curves)
    st.html(thumbnails(week.region, [x_k.mean(0) for x_k in week.volumes], shown=k))


def zoom_slider(week: TrafficWeek) -> int:
    """The level to show."""
    state, levels = st.session_state, week.region.hierarchy
    words = [charts.level_words(level) for level in levels]
    state.zoom = state.level

    def moved() -> None:
        state.level = state.zoom

    k = st.select_slider("Zoom", range(len(levels)), format_func=words.__getitem__, key="zoom", on_change=moved)
    _stops(words)
    return k


def time_slider(week: TrafficWeek, k: int) -> int:
    """The step of level k to show. A change of level keeps the moment."""
    hours, key = week.level(k).hours, f"step_{k}"
    st.session_state[key] = st.session_state.hour // hours

    def moved() -> None:
        st.session_state.hour = st.session_state[key] * hours

    steps = range(len(week.volumes[k]))
    step = st.select_slider("Time", steps, format_func=partial(week.time_label, k), key=key, on_change=moved)
    _stops(WEEKDAYS, between=True)
    return step


def traffic_map(week: TrafficWeek, k: int, step: int, scale: Scale, opacity: float, below: list) -> None:
    """The map without the component: a click on a cell chooses the place whose week is drawn."""
    region = week.region
    pick = maps.pick_level(region, k)
    pick_step = step * week.level(k).hours // week.level(pick).hours
    layers = [
        *below,
        maps.pick_layer(week, pick, pick_step),  # below the traffic: the browser paints a clicked cell white
        maps.traffic_layer(week.volumes[k][step], region, k, scale, opacity),
        maps.blocks_layer(region),
        *(layer for cell in drawn_cells(week, k) for layer in maps.mark_layers(region, k, cell)),
    ]

    def clicked() -> None:
        indices = st.session_state.traffic_map.selection.indices.get(f"cells-{pick}")
        place = maps.picked_place(region, pick, indices[0]) if indices else None
        st.session_state.places = (place,) if place else ()

    cell, hours = charts.cell_words(week.level(pick))
    when = week.time_label(pick, pick_step) if maps.shows_step(region, pick) else "in the week"
    tooltip = f"<b>{{v}}</b> per {cell}<br>{when}<br><i>click: its week</i>"
    st.pydeck_chart(
        maps.deck(layers, region, tooltip),
        height=MAP_HEIGHT,
        on_select=clicked,
        selection_mode="single-object",
        key="traffic_map",
        alt=f"Map of the traffic per {cell} and {hours}",
    )


def columns_map(week: TrafficWeek, k: int, step: int, scale: Scale, opacity: float, below: list) -> None:
    """The step in 3D: a column per cell, as high as its traffic; of a coarser level where the cells are too many."""
    tall = maps.column_level(week.region, k)
    tall_step = step * week.level(k).hours // week.level(tall).hours
    if tall != k:
        cell, _ = charts.cell_words(week.level(tall))
        st.caption(f"3D shows one column per {cell} here: more would be slow. {week.time_label(tall, tall_step)}.")
        scale = replace(st.session_state.scales[tall], logarithmic=scale.logarithmic)
    layer = maps.columns_layer(week.volumes[tall][tall_step], week.region, tall, scale, opacity)
    cell, hours = charts.cell_words(week.level(tall))
    st.pydeck_chart(
        maps.deck([*below, layer], week.region, f"<b>{{v}}</b> per {cell} and {hours}", pitch=50),
        height=MAP_HEIGHT,
        key="columns_map",
        alt=f"Columns of the traffic per {cell} and {hours}",
    )


def places_of(week: TrafficWeek, k: int) -> tuple[tuple[int, int], ...]:
    """The finest cells (row, col) whose weeks are drawn: those clicked, else one in the busiest cell of level k."""
    return st.session_state.places or (st.session_state.busiest[k],)


def _middle_of(region: Region, k: int, cell: tuple[int, int]) -> tuple[int, int]:
    """The finest cell in the middle of a cell of level k."""
    side = region.hierarchy.space_factor(k)
    return cell[0] * side + side // 2, cell[1] * side + side // 2


def drawn_cells(week: TrafficWeek, k: int) -> list[tuple[int, int]]:
    """The cells of level k whose weeks are drawn, each once, in the order of the clicks."""
    return list(dict.fromkeys(cell_of(week.region, k, place) for place in places_of(week, k)))


def cell_of(region: Region, k: int, place: tuple[int, int]) -> tuple[int, int]:
    """The cell of level k that holds a finest cell."""
    side = region.hierarchy.space_factor(k)
    return place[0] // side, place[1] // side


def traffic_scale(k: int, look: str) -> Scale:
    """One colour scale for all hours of level k."""
    return replace(st.session_state.scales[k], logarithmic=look == LOGARITHMIC)


def legend(level: Level, scale: Scale, opacity: float) -> None:
    cell, hours = charts.cell_words(level)
    st.html(scale_legend(f"Traffic per {cell} and {hours}", scale, traffic(), opacity=opacity))


def curves_choice() -> str:
    """Which curves to draw."""
    return st.segmented_control(
        "Curves",
        CURVES,
        key="curves",
        required=True,
        default=WEEK,
        label_visibility="collapsed",
        persist_state="page",
    )


def cell_curves(week: TrafficWeek, k: int, step: int, curves: str) -> None:
    """The chart of the chosen cell, or of several, under a line that says which they are."""
    cells = drawn_cells(week, k)
    cell, hours = charts.cell_words(week.level(k))
    if len(cells) > 1:
        title = f"{'Weeks' if curves == WEEK else 'Average workdays'} of {len(cells)} clicked {cell}s"
        detail = f"traffic per {cell} and {hours}"
    else:
        ((row, col),) = cells
        lon, lat = week.region.centres(k)[row, col]
        which = f"{'clicked' if st.session_state.places else 'busiest'} {cell}"
        title = f"{'Week' if curves == WEEK else 'Average workday'} of the {which}"
        total = human_bytes(week.volumes[k][:, row, col].sum())
        detail = f"{total}{'' if curves == WEEK else ' in the week'}, at {lat:.4f}, {lon:.4f} (lat, lon)"
    st.html(f'<div style="font-size:0.85rem"><b>{title}</b>: {detail}</div>')
    if len(cells) == 1:
        place = places_of(week, k)[-1]
        figure = charts.week_curve(week, place, k, step) if curves == WEEK else charts.day_curve(week, place, k)
    elif curves == WEEK:
        every = st.toggle("At all levels", key="every_level", persist_state="page")
        figure = charts.place_curves(week, cells, k, step, every_level=every)
    else:
        figure = charts.place_days(week, cells, k)
    st.plotly_chart(figure, key="curve", config={"displayModeBar": False}, alt=f"{title}: {detail}")


def totals(week: TrafficWeek, k: int, step: int) -> None:
    peak = week.peak_step(k)
    now, most = (human_bytes(week.volumes[k][at].sum()) for at in (step, peak))
    level, cells = week.level(k), week.volumes[k].sum(0)[week.region.mask(k)]
    share = top_share(cells[None]) if len(cells) >= FEWEST and cells.any() else None
    tenth = "" if share is None else f", the busiest tenth of them with **{100 * share:.0f} %**"
    st.markdown(
        f"**{human_bytes(week.total(k))}** in the week · **{week.time_label(k, step)}** {now} · "
        f"busiest **{week.time_label(k, peak)}** with {most} · "
        f"**{week.region.mask(k).sum():,}** cells of {level.side:.0f} m{tenth}"
    )


def so_far(region: Region, means: list[np.ndarray], *, legend: bool) -> str:
    """HTML: the levels that exist already, averages of their weeks, with a legend for the newest one's colours."""
    k = len(means) - 1
    small = thumbnails(region, means, shown=k)
    if not means or not legend:
        return small
    cell, hours = charts.cell_words(region.hierarchy[k])
    title = f"Average of the week, per {cell} and {hours}"
    return small + "<br>" + scale_legend(title, Scale.of(means[k]), traffic(), opacity=LIVE_OPACITY)


def thumbnails(region: Region, means: list[np.ndarray], shown: int) -> str:
    """HTML: the region's levels side by side, each the average of its week; those that do not exist yet are empty.

    The level `shown` on the map is framed.
    """
    palette, paper = traffic(), "#2a2930" if dark() else "#f4f2ee"
    rows, cols = region.blocks.shape
    figures = []
    for k, level in enumerate(region.hierarchy):
        inside = ""
        frame = "outline:2px solid #8a2a56" if k == shown else ""
        if k < len(means):
            entries = Scale.of(means[k]).entries(means[k]) * region.mask(k)
            url = data_url(palette_png(entries, palette), "image/png")
            inside = (
                f'<img src="{url}" alt="{charts.level_words(level)}" '
                'style="width:100%;height:100%;object-fit:contain;image-rendering:pixelated">'
            )
        figures.append(
            '<figure style="margin:0;flex:1 1 0;min-width:0;max-width:25%">'
            f'<div style="aspect-ratio:{max(cols / rows, 1):.3f};'
            f'background:{paper};border-radius:3px;overflow:hidden;{frame}">{inside}</div>'
            f'<figcaption style="font-size:0.72rem;text-align:center">{charts.level_words(level)}</figcaption></figure>'
        )
    return f'<div class="levels" style="display:flex;gap:8px">{"".join(figures)}</div>'


def _stops(words: Iterable[str], *, between: bool = False) -> None:
    """Small words under a slider: at its stops, or in the middle of the stretches `between` them."""
    spread = "space-around" if between else "space-between"
    spans = "".join(f'<span style="text-align:center">{word}</span>' for word in words)
    st.html(
        f'<div class="stops" style="display:flex;justify-content:{spread};gap:8px;font-size:0.72rem;line-height:1.15;'
        f'opacity:0.75;margin-top:-1.4rem">{spans}</div>'
    )
