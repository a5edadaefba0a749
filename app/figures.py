"""The charts of the panels: small maps, bars, curves and heatmaps. Legible on light and dark, and without colour.

Fonts and backgrounds are left to Streamlit's theme. Rasters (H, W) have row 0 in the north; what lies outside of the
region stays transparent.
"""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from PIL import ImageColor
from plotly.subplots import make_subplots
from zoomdiff.app import charts
from zoomdiff.app.colours import Scale

from zoomdiff.analysis.decomposition import Decomposition
from zoomdiff.analysis.ensemble import Spread
from zoomdiff.context.classes import AOI_CLASSES, AOI_COLOURS
from zoomdiff.levels import HOURS_PER_DAY, HOURS_PER_WEEK, S4T4
from zoomdiff.region import Region
from zoomdiff.week import WEEKDAYS, TrafficWeek, unit_of

HEIGHT = 270
HOUSE, ROAD, POI, PEOPLE, NO_USE = "#c0653a", "#3f86bd", "#2a9d8f", "#8c6bc8", "#9a9690"
TRAFFIC, MARK = "#c2476a", "#12a5c4"
ABOVE = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 11}}  # a legend
FADE = 0.6  # exponent of the opacity: little is seen, too


def use_words(name: str) -> str:
    return "no known use" if name == "unknown" else name


def use_colour(name: str) -> str:
    return AOI_COLOURS.get(name, NO_USE)


def layer_map(
    region: Region, values: np.ndarray, title: str, unit: str, colour: str, top: float | None = None
) -> go.Figure:
    """A map (H, W) of one quantity, from nothing to a full colour at `top`, by default its robust maximum."""
    shown = _nothing_is_clear(region, values)
    top = top or robust_top(values)
    trace = go.Heatmap(
        z=shown[::-1],
        **_kilometres(region, shown.shape),
        zmin=0,
        zmax=top,
        colorscale=_fade(colour),
        colorbar=_bar(unit),
        hovertemplate=f"%{{z:,.3~g}} {unit}<extra></extra>",
    )
    return _as_map(go.Figure(trace), title)


def use_map(region: Region, aoi: np.ndarray, title: str) -> go.Figure:
    """A map (H, W) of the main use of the ground; its colours are explained by `bars` of the same uses."""
    scale = []
    for i, name in enumerate(AOI_CLASSES):
        colour = AOI_COLOURS.get(name, "rgba(154,150,144,0.25)")
        scale += [(i / len(AOI_CLASSES), colour), ((i + 1) / len(AOI_CLASSES), colour)]
    shown = np.where(region.mask(), aoi, np.nan).astype(np.float32)
    words = np.array([use_words(name) for name in AOI_CLASSES], object)[aoi]
    trace = go.Heatmap(
        z=shown[::-1],
        **_kilometres(region, shown.shape),
        zmin=-0.5,
        zmax=len(AOI_CLASSES) - 0.5,
        colorscale=scale,
        showscale=False,
        text=words[::-1],
        hovertemplate="%{text}<extra></extra>",
    )
    return _as_map(go.Figure(trace), title)


def bars(values: dict[str, float], title: str, unit: str, colours: list[str] | str, form: str = ",.0f") -> go.Figure:
    """One bar per name with its value beside it, largest on top; `unit` is that of the axis."""
    suffix = " %" if unit.startswith("%") else ""
    figure = go.Figure(
        go.Bar(
            x=list(values.values()),
            y=list(values),
            orientation="h",
            marker={"color": colours, "line": {"width": 0}},
            text=[f"{value:{form}}{suffix}" for value in values.values()],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"%{{y}}: %{{x:{form}}} {unit}<extra></extra>",
        )
    )
    most = max(values.values(), default=1)
    figure.update_layout(bargap=0.25)
    figure.update_xaxes(title={"text": unit, "standoff": 8}, range=[0, 1.3 * most], nticks=4)
    figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"size": 11})
    return _finish(figure, title)


def people_curve(people: np.ndarray, title: str) -> go.Figure:
    """People present (168,) by hour of the week."""
    figure = go.Figure(
        go.Scatter(
            x=np.arange(HOURS_PER_WEEK + 1),
            y=np.append(people, people[-1]),
            mode="lines",
            line={"shape": "hv", "color": PEOPLE, "width": 2},
            fill="tozeroy",
            fillcolor=_rgba(PEOPLE, 0.2),
            customdata=_hour_words(),
            hovertemplate="%{customdata}: about %{y:,.0f} people<extra></extra>",
        )
    )
    figure.update_xaxes(**charts.weekdays())
    figure.update_yaxes(title={"text": "people present", "standoff": 14}, rangemode="tozero")
    return _finish(figure, title)


def rv_heatmap(tables: dict[str, np.ndarray], title: str) -> go.Figure:
    """RV-coefficients (levels, levels) by use: a row per use, a column per pair of levels."""
    pairs = [(i, j) for gap in (1, 2, 3) for i in range(len(S4T4)) if (j := i + gap) < len(S4T4)]
    cells = [f"{level.side:.0f} m" for level in S4T4]
    columns = [f"{cells[i]} – {cells[j]}" for i, j in pairs]
    rows = {use_words(name): [table[pair] for pair in pairs] for name, table in tables.items()}
    rows = {name: row for name, row in rows.items() if not np.isnan(row).all()}  # uses of too few squares
    names = list(rows)
    figure = go.Figure(
        go.Heatmap(
            z=np.array(list(rows.values())),
            x=columns,
            y=names,
            zmin=0,
            zmax=1,
            colorscale="cividis",
            colorbar=_bar("RV-coefficient") | {"tickvals": [0, 0.25, 0.5, 0.75, 1]},
            hoverongaps=False,
            hovertemplate="%{y}, %{x}: %{z:.3f}<extra></extra>",
            xgap=2,
            ygap=2,
        )
    )
    labels = [(x, y, z) for y, row in rows.items() for x, z in zip(columns, row, strict=True) if not np.isnan(z)]
    figure.add_scatter(  # Plotly's own words on the fields are grey on the middle of the scale
        x=[x for x, _, _ in labels],
        y=[y for _, y, _ in labels],
        text=[f"{z:.2f}" for _, _, z in labels],
        mode="text",
        textfont={"size": 13, "color": ["#111" if z > 0.45 else "#fff" for _, _, z in labels]},
        hoverinfo="skip",
        showlegend=False,
    )
    figure.update_xaxes(
        title={"text": "levels that are compared, by the side of their cells", "standoff": 6}, type="category"
    )
    figure.update_yaxes(title={"text": "main use of the cells", "standoff": 6}, autorange="reversed", showgrid=False)
    return _finish(figure, title, height=110 + 30 * len(names))


def decomposition(parts: list[Decomposition], means: list[float]) -> go.Figure:
    """Trend, daily pattern and rest of hourly traffic, one curve per level, each in % of its mean hour."""
    rows = ("trend", "daily pattern", "rest")
    figure = make_subplots(3, 1, shared_xaxes=True, vertical_spacing=0.045)
    for k, (part, mean) in enumerate(zip(parts, means, strict=True)):
        for row, values in enumerate((part.trend, part.daily, part.rest), 1):
            figure.add_scatter(
                x=np.arange(HOURS_PER_WEEK) + 0.5,
                y=100 * values / mean,
                name=charts.cell_words(S4T4[k])[0],
                legendgroup=str(k),
                showlegend=row == 1,
                mode="lines",
                line={"color": charts.LEVEL_COLOURS[k], "dash": charts.LEVEL_DASHES[k], "width": 1.8},
                customdata=_hour_words()[:-1],
                hovertemplate=f"%{{customdata}}: %{{y:.0f}} % ({rows[row - 1]})",
                row=row,
                col=1,
            )
    for row, name in enumerate(rows, 1):
        figure.update_yaxes(title={"text": f"{name},<br>% of mean hour", "standoff": 12}, row=row, col=1)
    figure.update_xaxes(**charts.weekdays() | {"title": None})
    figure.update_xaxes(title=charts.weekdays()["title"], row=3, col=1)
    figure.update_layout(legend=ABOVE)
    return _finish(figure, height=500)


def traffic_map(
    week: TrafficWeek, k: int, volumes: np.ndarray, top: float, cell: tuple[int, int], title: str
) -> go.Figure:
    """A map (H_k, W_k) of bytes in the colours of the page's map, full at `top`; `cell` of level k is framed."""
    factor, unit = unit_of(top)
    unit = f"{unit} per {charts.cell_words(week.level(k))[0]}"
    shown = np.where(week.region.mask(k), volumes / factor, np.nan).astype(np.float32)
    place = _kilometres(week.region, shown.shape)
    trace = go.Heatmap(
        z=shown[::-1],
        **place,
        zmin=0,
        zmax=top / factor,
        colorscale="matter",
        colorbar=_bar(unit),
        hovertemplate=f"%{{z:,.3~g}} {unit}<extra></extra>",
    )
    figure = go.Figure(trace)
    x, y = cell[1] * place["dx"], (len(shown) - 1 - cell[0]) * place["dy"]
    frame = {"x0": x, "x1": x + place["dx"], "y0": y, "y1": y + place["dy"]}
    figure.add_shape(type="rect", line={"color": MARK, "width": 3}, **frame)
    return _as_map(figure, title)


def band(week: TrafficWeek, spread: Spread, cell: tuple[int, int]) -> go.Figure:
    """P10 to P90 over time of one cell of level k, with P50 and the week that is shown."""
    k, level = spread.k, week.level(spread.k)
    mine = week.volumes[k][:, *cell]
    low, middle, high = spread.steps[:, :, *cell].astype(float)
    factor, unit = unit_of(max(high.max(), mine.max()))
    x = level.hours * np.arange(len(mine) + 1)
    words = [week.time_label(k, t) for t in range(len(mine))]
    words.append(words[-1])

    def stairs(values: np.ndarray) -> np.ndarray:  # the last stair needs its right end
        return np.append(values, values[-1]) / factor

    line = {"mode": "lines", "x": x, "customdata": words}
    hover = f"%{{customdata}}: %{{y:.3g}} {unit}"
    figure = go.Figure()
    edge = {"shape": "hv", "width": 0.8, "color": TRAFFIC}
    figure.add_scatter(y=stairs(low), name="P10", line=edge, showlegend=False, hovertemplate=hover, **line)
    figure.add_scatter(
        y=stairs(high),
        name="P10 to P90: eight weeks in ten",
        line=edge,
        fill="tonexty",
        fillcolor=_rgba(TRAFFIC, 0.3),
        hovertemplate=hover + "<extra>P90</extra>",
        **line,
    )
    middle_line = {"shape": "hv", "width": 2, "color": TRAFFIC}
    figure.add_scatter(y=stairs(middle), name="P50: the middle", line=middle_line, hovertemplate=hover, **line)
    own = {"shape": "hv", "width": 2, "color": charts.LEVEL_COLOURS[0], "dash": "dot"}
    figure.add_scatter(y=stairs(mine), name="the week on the map", line=own, hovertemplate=hover, **line)
    cell_word, step = charts.cell_words(level)
    figure.update_xaxes(**charts.weekdays())
    figure.update_yaxes(title={"text": f"{unit} per {cell_word} and {step}", "standoff": 12}, rangemode="tozero")
    figure.update_layout(legend=ABOVE)
    return _finish(figure, height=290)


def realism_spans(table: pd.DataFrame, cities: tuple[str, ...]) -> go.Figure:
    """Each statistic's span over real cities drawn to one length, with the cities and the week on it."""
    span = table["to"] - table["from"]
    span = span.where(span > 0, 1)

    def place(values: pd.Series) -> pd.Series:
        return (values - table["from"]) / span

    figure = go.Figure()
    rows = list(table.index)
    for name in rows:
        figure.add_scatter(
            x=[0, 1],
            y=[name, name],
            mode="lines",
            line={"color": _rgba(NO_USE, 0.55), "width": 7},
            showlegend=False,
            hoverinfo="skip",
        )
    symbols = ("circle-open", "square-open", "diamond-open", "triangle-up-open", "x-thin-open")
    for city, symbol in zip(cities, symbols, strict=True):
        figure.add_scatter(
            x=place(table[city]),
            y=rows,
            name=city,
            mode="markers",
            marker={"symbol": symbol, "size": 9, "color": ROAD, "line": {"width": 1.5, "color": ROAD}},
            customdata=table[city],
            hovertemplate="%{y}: %{customdata:.2f}",
        )
    at = place(table["week"])
    figure.add_scatter(
        x=at.clip(-0.5, 1.5),
        y=rows,
        name="this week",
        mode="markers",
        marker={"symbol": "star", "size": 13, "color": TRAFFIC},
        customdata=table["week"],
        hovertemplate="%{y}: %{customdata:.2f}",
    )
    figure.update_xaxes(
        title={"text": "from the lowest to the highest city", "standoff": 6},
        tickvals=[-0.5, 0, 1, 1.5],
        ticktext=["below", "lowest", "highest", "above"],
        range=[-0.6, 1.6],
        zeroline=False,
    )
    figure.update_yaxes(autorange="reversed", title={"text": "statistic", "standoff": 6}, showgrid=False)
    figure.update_layout(legend=ABOVE)
    return _finish(figure, height=90 + 24 * len(rows))


def robust_top(values: np.ndarray) -> float:
    """Where a scale ends: one very busy cell must not make all others look empty."""
    return Scale.of(values).top


def _finish(figure: go.Figure, title: str = "", *, height: int = HEIGHT, top: int | None = None) -> go.Figure:
    """A title goes into the figure where it is short; the page writes longer ones above, as those have to wrap."""
    if title:
        look = {"font": {"size": 14}, "x": 0, "xanchor": "left", "y": 0.98, "yanchor": "top"}
        figure.update_layout(title={"text": title, **look})
    figure.update_layout(
        height=height,
        margin={"l": 4, "r": 8, "t": top or (34 if title else 4), "b": 4},
        hoverlabel={"namelength": -1},
    )
    figure.update_yaxes(automargin=True)
    return figure


def _as_map(figure: go.Figure, title: str) -> go.Figure:
    flat = {"showgrid": False, "zeroline": False, "constrain": "domain", "nticks": 4}
    figure.update_xaxes(title={"text": "km", "standoff": 2}, **flat)
    figure.update_yaxes(title={"text": "km", "standoff": 2}, scaleanchor="x", **flat)
    return _finish(figure, title)


def _kilometres(region: Region, shape: tuple[int, int]) -> dict[str, float]:
    """Where the cells (H, W) of a heatmap lie, in km from the frame's south-west corner."""
    west, south, east, north = region.frame_bounds
    dx, dy = (east - west) / 1000 / shape[1], (north - south) / 1000 / shape[0]
    return {"x0": dx / 2, "dx": dx, "y0": dy / 2, "dy": dy}


def _nothing_is_clear(region: Region, values: np.ndarray) -> np.ndarray:
    return np.where(region.mask(), values, np.nan).astype(np.float32)


def _fade(colour: str) -> list[tuple[float, str]]:
    return [(share, _rgba(colour, share**FADE)) for share in np.linspace(0, 1, 9).round(4).tolist()]


def _rgba(colour: str, opacity: float) -> str:
    red, green, blue = ImageColor.getrgb(colour)
    return f"rgba({red},{green},{blue},{opacity:.3f})"


def _bar(unit: str) -> dict:
    return {"title": {"text": unit, "side": "right", "font": {"size": 11}}, "thickness": 10, "len": 0.95, "nticks": 5}


def _hour_words() -> list[str]:
    """'Mon 00:00' of each hour of the week, and of its end."""
    words = [f"{WEEKDAYS[t // HOURS_PER_DAY]} {t % HOURS_PER_DAY:02d}:00" for t in range(HOURS_PER_WEEK)]
    return [*words, words[-1]]
