"""The week and the average day of places, at all levels on one axis."""

import numpy as np
import plotly.graph_objects as go

from zoomdiff.levels import HOURS_PER_DAY, HOURS_PER_WEEK, Level
from zoomdiff.week import WEEKDAYS, TrafficWeek, unit_of

HECTARE = 10_000.0  # m2
LEVEL_COLOURS = ("#7c8896", "#cf6f2e", "#c2476a", "#7d62c9")  # coarse to fine; contrast 3 or more to white and to dark
HEIGHT = 262
MORE_NAMES = 56  # pixels that those of the other levels take above the curves
LEVEL_DASHES = ("dot", "dashdot", "dash", "solid")  # coarse to fine
WORKDAYS = 5  # of the week, which begins on Monday
PLACE_COLOURS = ("#8a2a56", "#1f6f9f", "#2e7d4f", "#b8621b", "#8465c9", "#7d7787")  # as the map frames its cells


def intensity(volumes: np.ndarray, level: Level) -> np.ndarray:
    """Bytes per hour and hectare: what volumes of levels with different cells and steps have in common."""
    return volumes / level.hours / (level.side**2 / HECTARE)


def busiest_cell(volumes: np.ndarray) -> tuple[int, int]:
    """(row, col) of the cell of (T, H, W) volumes that carries most in the week."""
    total = volumes.sum(0)
    row, col = np.unravel_index(total.argmax(), total.shape)
    return int(row), int(col)


def week_curve(week: TrafficWeek, place: tuple[int, int], shown: int, step: int) -> go.Figure:
    """The week at a finest cell `place` = (row, col), one staircase per level: that of the cell that holds the place.

    The level `shown` is drawn strong, and its time step `step` is shaded.
    """
    hierarchy = week.region.hierarchy
    curves = []
    for k, level in enumerate(hierarchy):
        side = hierarchy.space_factor(k)
        curves.append(intensity(week.volumes[k][:, place[0] // side, place[1] // side], level))
    highest = max(curve.max() for curve in curves)
    factor, unit = unit_of(highest)

    figure = go.Figure()
    for k, (level, curve) in enumerate(zip(hierarchy, curves, strict=True)):
        labels = [week.time_label(k, t) for t in range(len(curve))]
        figure.add_scatter(
            x=level.hours * np.arange(len(curve) + 1),
            y=np.append(curve, curve[-1]) / factor,  # the last stair needs its right end
            customdata=[*labels, labels[-1]],
            name=level_words(level),
            mode="lines",
            line={"shape": "hv", "color": LEVEL_COLOURS[k % len(LEVEL_COLOURS)], "width": 2.6 if k == shown else 1.4},
            opacity=1 if k == shown else 0.85,
            zorder=int(k == shown),
            hovertemplate=f"%{{customdata}}<br>%{{y:.3g}} {unit} per hour and hectare",
        )
    return _week_axes(figure, hierarchy[shown].hours, step, f"{unit} per hour and hectare")


def place_curves(
    week: TrafficWeek, cells: list[tuple[int, int]], k: int, step: int, *, every_level: bool = False
) -> go.Figure:
    """The weeks of several cells (row, col) of level k, numbered in their order; the time step `step` is shaded.

    every_level  with each at the other levels, too: how much a cell of level k has where all cells of the coarser one
                 that holds it, or of the finer one in its middle, have alike
    """
    level = week.level(k)
    curves = [week.volumes[k][:, row, col] for row, col in cells]
    highest = max(curve.max() for curve in curves)
    factor, unit = unit_of(highest)
    cell, span = cell_words(level)
    labels = [week.time_label(k, t) for t in range(len(curves[0]))]
    figure = go.Figure()
    if every_level:
        _other_levels(figure, week, cells, k, factor)
    for i, curve in enumerate(curves):
        figure.add_scatter(
            x=level.hours * np.arange(len(curve) + 1),
            y=np.append(curve, curve[-1]) / factor,
            customdata=[*labels, labels[-1]],
            name=f"{cell} {i + 1}",
            mode="lines",
            line={"shape": "hv", "color": PLACE_COLOURS[i % len(PLACE_COLOURS)], "width": 1.8},
            hovertemplate=f"%{{customdata}}<br>%{{y:.3g}} {unit} per {span}",
        )
    figure = _week_axes(figure, level.hours, step, f"{unit} per {span}")
    return figure.update_layout(height=HEIGHT + MORE_NAMES * every_level)


def _other_levels(figure: go.Figure, week: TrafficWeek, cells: list[tuple[int, int]], k: int, factor: float) -> None:
    """Thin staircases of the cells (row, col) of level k at all levels but k, in what a cell and step of k have."""
    hierarchy, level = week.region.hierarchy, week.level(k)
    side = hierarchy.space_factor(k)
    as_k = level.hours * level.side**2 / HECTARE
    for i, (row, col) in enumerate(cells):
        place = row * side + side // 2, col * side + side // 2
        for other in (other for other in range(len(hierarchy)) if other != k):
            around = hierarchy.space_factor(other)
            curve = week.volumes[other][:, place[0] // around, place[1] // around]
            curve = intensity(curve, hierarchy[other]) * as_k / factor
            figure.add_scatter(
                x=hierarchy[other].hours * np.arange(len(curve) + 1),
                y=np.append(curve, curve[-1]),
                name=level_words(hierarchy[other]),
                legendgroup=level_words(hierarchy[other]),
                showlegend=i == 0,
                mode="lines",
                line={
                    "shape": "hv",
                    "color": PLACE_COLOURS[i % len(PLACE_COLOURS)],
                    "width": 1,
                    "dash": LEVEL_DASHES[other % len(LEVEL_DASHES)],
                },
                opacity=0.8,
                hoverinfo="skip",
            )


def day_curve(week: TrafficWeek, place: tuple[int, int], shown: int) -> go.Figure:
    """The average workday at a finest cell `place` = (row, col), a staircase per level; weekend days of level `shown`.

    A base station has one value a day, so its line is flat.
    """
    hierarchy = week.region.hierarchy
    curves, weekend = [], None
    for k, level in enumerate(hierarchy):
        side = hierarchy.space_factor(k)
        days = _days(week.volumes[k][:, place[0] // side, place[1] // side], level)
        curves.append(intensity(days[:WORKDAYS].mean(0), level))
        if k == shown:
            weekend = intensity(days[WORKDAYS:].mean(0), level)
    factor, unit = unit_of(max(curve.max() for curve in (*curves, weekend)))
    figure = go.Figure()
    for k, (level, curve) in enumerate(zip(hierarchy, curves, strict=True)):
        colour, width = LEVEL_COLOURS[k % len(LEVEL_COLOURS)], 2.6 if k == shown else 1.4
        _add_day(figure, curve / factor, level_words(level), {"color": colour, "width": width}, unit)
    line = {"color": LEVEL_COLOURS[shown % len(LEVEL_COLOURS)], "width": 1.8, "dash": "dot"}
    _add_day(figure, weekend / factor, "weekend", line, unit)
    return _day_axes(figure, f"{unit} per hour and hectare")


def place_days(week: TrafficWeek, cells: list[tuple[int, int]], k: int) -> go.Figure:
    """The average workdays of several cells (row, col) of level k, numbered in their order."""
    level = week.level(k)
    curves = [_days(week.volumes[k][:, row, col], level)[:WORKDAYS].mean(0) for row, col in cells]
    factor, unit = unit_of(max(curve.max() for curve in curves))
    cell, span = cell_words(level)
    figure = go.Figure()
    for i, curve in enumerate(curves):
        line = {"color": PLACE_COLOURS[i % len(PLACE_COLOURS)], "width": 1.8}
        _add_day(figure, curve / factor, f"{cell} {i + 1}", line, unit)
    return _day_axes(figure, f"{unit} per {span}")


def _days(curve: np.ndarray, level: Level) -> np.ndarray:
    """(7, steps of a day) of a week (T,) of a level."""
    return curve.reshape(-1, level.steps_per_day)


def _add_day(figure: go.Figure, curve: np.ndarray, name: str, line: dict, unit: str) -> None:
    hours = HOURS_PER_DAY // len(curve)
    figure.add_scatter(
        x=hours * np.arange(len(curve) + 1),
        y=np.append(curve, curve[-1]),
        name=name,
        mode="lines",
        line={"shape": "hv"} | line,
        hovertemplate=f"from %{{x}}:00<br>%{{y:.3g}} {unit}",
    )


def _day_axes(figure: go.Figure, unit: str) -> go.Figure:
    """The same place and size as the week's, over the hours of a day."""
    clock = {"title": {"text": "local time (hour)", "standoff": 4}, "range": [0, HOURS_PER_DAY], "dtick": 4}
    return curves_layout(figure, unit, clock)


def _week_axes(figure: go.Figure, hours: int, step: int, unit: str) -> go.Figure:
    """A week from Monday on, with one step of so many hours shaded."""
    figure.add_vrect(x0=step * hours, x1=(step + 1) * hours, fillcolor="#8a2a56", opacity=0.14, line_width=0)
    return week_layout(figure, unit)


def week_layout(figure: go.Figure, unit: str) -> go.Figure:
    """Curves over the hours of a week, their names above."""
    return curves_layout(figure, unit, weekdays())


def curves_layout(figure: go.Figure, unit: str, xaxis: dict) -> go.Figure:
    """Curves, their names above."""
    return figure.update_layout(
        height=HEIGHT,
        margin={"l": 4, "r": 6, "t": 4, "b": 4},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 11}},
        hoverlabel={"namelength": -1},
        xaxis=xaxis,
        yaxis={"title": {"text": unit, "standoff": 4}, "rangemode": "tozero"},
    )


def weekdays() -> dict:
    """The axis of a week in hours."""
    midnights = np.arange(0, HOURS_PER_WEEK + 1, HOURS_PER_DAY)
    return {
        "title": {"text": "local time (weekday)", "standoff": 4},
        "range": [0, HOURS_PER_WEEK],
        "tickvals": (midnights[:-1] + HOURS_PER_DAY / 2).tolist(),
        "ticktext": list(WEEKDAYS),
        "showgrid": False,
        "minor": {"tickvals": midnights.tolist(), "showgrid": True},
    }


def level_words(level: Level) -> str:
    """A level as its stop on the zoom slider is called: '4 h · cell'."""
    return level.title.partition(" (")[0]


def cell_words(level: Level) -> tuple[str, str]:
    """(cell, step) of a level in words: ('base station', '1 day'), ('50 m square', '1 h')."""
    step, _, cell = level_words(level).partition(" · ")
    return cell.replace("grid", "square"), step
