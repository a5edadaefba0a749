"""Two weeks side by side: curves, a map of the difference, and words for both."""

import html
import math
from collections.abc import Iterable, Mapping

import numpy as np
import plotly.graph_objects as go
import pydeck as pdk
import shapely
from plotly.colors import sample_colorscale, unlabel_rgb
from shapely.geometry.base import BaseGeometry
from zoomdiff.app import charts, maps
from zoomdiff.app.colours import css_gradient, dark

from zoomdiff.levels import HOURS_PER_DAY, HOURS_PER_WEEK
from zoomdiff.region import Region
from zoomdiff.week import WEEKDAYS, human_bytes, unit_of

# (colour, dash, width) by place in the list: distinct without colours, too.
LINES = (("#8c98a6", "solid", 4), ("#c2476a", "solid", 1.8), ("#e0925c", "dot", 1.8))
OUTLINE, PENDING = [20, 18, 26], [138, 42, 86]
OUTLINE_ON_DARK, PENDING_ON_DARK = [240, 238, 244], [240, 128, 170]
MOST_OF_IT = 0.9  # of all that changes lies below the top of a difference's colours


def _diverging(*, on_dark: bool = False) -> np.ndarray:
    """(256, 4) uint8: entry 128 (and 0, nothing) is transparent, below it blue for less, above it red for more.

    ColorBrewer's RdBu, which colour-blind people can read; `on_dark` each half runs from its dark end to the
    middle of its light one.
    """
    palette = np.zeros((256, 4), np.uint8)
    along = np.linspace(0, 1, 255)
    places = np.interp(along, [0, 0.499, 0.501, 1], [0.3, 0, 1, 0.7]) if on_dark else along
    palette[1:, :3] = np.round([unlabel_rgb(colour) for colour in sample_colorscale("RdBu_r", places.tolist())])
    palette[1:, 3] = np.round(np.interp(np.abs(along - 0.5), [0, 0.02, 0.25], [0, 90, 255]))
    return palette


DIFFERENCE, DIFFERENCE_ON_DARK = _diverging(), _diverging(on_dark=True)


def difference_palette() -> np.ndarray:
    """That of the page as it is."""
    return DIFFERENCE_ON_DARK if dark() else DIFFERENCE


def difference_top(difference: np.ndarray) -> float:
    """The change at which the colours are full: cells below it make up most of all that changes."""
    size = np.sort(np.abs(difference[difference != 0]))
    if not size.size:
        return 1.0
    return float(size[np.searchsorted(size.cumsum(), MOST_OF_IT * size.sum())])


def difference_entries(difference: np.ndarray, top: float) -> np.ndarray:
    """Palette entries (uint8) of a difference: 128 is no change, 1 and 255 are -top and top and beyond."""
    return (128 + np.round(127 * np.clip(difference / top, -1, 1))).astype(np.uint8)


def difference_layer(difference: np.ndarray, region: Region, k: int, top: float, opacity: float) -> pdk.Layer:
    """The difference (H_k, W_k) of two weeks at level k."""
    entries = difference_entries(difference, top) * region.mask(k)
    return maps.raster_layer("difference", entries, difference_palette(), region, opacity)


def difference_legend(title: str, top: float, opacity: float) -> str:
    """HTML: title, colour bar, and what its ends and its middle mean, with units."""
    colours = css_gradient(difference_palette(), opacity)
    words = [f"≤ −{human_bytes(top)} (less)", "no change", f"≥ +{human_bytes(top)} (more)"]
    spans = "".join(f"<span>{html.escape(word)}</span>" for word in words)
    return (
        f'<div class="legend" style="font-size:0.8rem;line-height:1.25"><div>{html.escape(title)}</div>'
        f'<div style="height:12px;margin:3px 0;border-radius:2px;background:{colours}"></div>'
        f'<div style="display:flex;justify-content:space-between;white-space:nowrap">{spans}</div></div>'
    )


def deck(layers: list[pdk.Layer], region: Region, height: int) -> pdk.Deck:
    """The deck over `region` for a chart of `height` pixels, lower than that of the page's large map."""
    deck = maps.deck(layers, region)
    deck.initial_view_state.zoom += math.log2(height / maps.VIEW[1])
    return deck


def outlines_layer(grounds: Iterable[BaseGeometry], *, pending: bool = False) -> pdk.Layer:
    """The outlines of polygons, and lines, in degrees; `pending` ones are those not yet added."""
    outline, next_one = (OUTLINE_ON_DARK, PENDING_ON_DARK) if dark() else (OUTLINE, PENDING)
    paths = []
    for part in shapely.get_parts(np.array(list(grounds), object)):
        rings = [part.exterior, *part.interiors] if part.geom_type == "Polygon" else [part]
        paths += [{"p": np.round(shapely.get_coordinates(ring), 6).tolist()} for ring in rings]
    return pdk.Layer(
        "PathLayer",
        id="pending" if pending else "changes",
        data=paths,
        get_path="p",
        get_color=next_one if pending else outline,
        width_units='"pixels"',
        get_width=1.4 if pending else 2.4,
        pickable=False,
    )


def curves(series: Mapping[str, np.ndarray]) -> go.Figure:
    """Weeks (T,) of bytes per step as staircases of bytes per hour, in the order given; their steps may differ."""
    rates = {name: values * len(values) / HOURS_PER_WEEK for name, values in series.items()}
    highest = max(float(rate.max()) for rate in rates.values())
    factor, unit = unit_of(highest)
    figure = go.Figure()
    for (name, rate), (colour, dash, width) in zip(rates.items(), LINES, strict=False):
        hours = HOURS_PER_WEEK // len(rate)
        starts = hours * np.arange(len(rate) + 1)
        when = [f"{WEEKDAYS[int(h) // HOURS_PER_DAY % 7]} {int(h) % HOURS_PER_DAY:02d}:00" for h in starts]
        figure.add_scatter(
            x=starts,
            y=np.append(rate, rate[-1]) / factor,  # the last stair needs its right end
            customdata=when,
            name=name,
            mode="lines",
            line={"shape": "hv", "color": colour, "dash": dash, "width": width},
            hovertemplate=f"%{{customdata}}<br>%{{y:.3g}} {unit} per hour",
        )
    figure.update_layout(showlegend=True)
    return charts.week_layout(figure, f"{unit} per hour")


def signed_bytes(volume: float) -> str:
    """A change for people: '+1.23 MB', '−4 kB', '0 B'."""
    sign = "+" if volume > 0 else "−" if volume < 0 else ""
    return sign + human_bytes(abs(volume))


def percent(before: float, after: float) -> str:
    """A change in per cent of before: '+12.3 %'; '–' where there was nothing."""
    return f"{100 * (after / before - 1):+.1f} %".replace("-", "−") if before else "–"
