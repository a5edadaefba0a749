"""Colours and what they mean: a palette, a scale from volumes to palette entries, and legends as HTML."""

import base64
import html
import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import streamlit as st
from PIL import Image
from plotly.colors import sample_colorscale, unlabel_rgb

from zoomdiff.week import human_bytes

ROBUST_QUANTILE = 0.995  # the scale's top: one very busy cell must not make all others look empty
LOG_DECADES = 3  # a logarithmic scale reaches from its top down to a thousandth of it
PAPER, DARK_PAPER = np.array([244, 242, 238]), np.array([42, 41, 48])  # the basemap's land, behind a legend's colours


def sequential(colorscale: str) -> np.ndarray:
    """(256, 4) uint8: entry 0 is transparent (nothing here), 1..255 run from faint to full along a plotly scale."""
    samples = sample_colorscale(colorscale, np.linspace(0, 1, 255).tolist())
    palette = np.zeros((256, 4), np.uint8)
    palette[1:, :3] = np.round([unlabel_rgb(colour) for colour in samples])
    palette[1:, 3] = np.round(np.interp(np.arange(255), [0, 90], [110, 255]))
    return palette


def dark() -> bool:
    """Whether the user's page is."""
    return st.context.theme.type == "dark"


def on_dark(palette: np.ndarray) -> np.ndarray:
    """The palette for dark ground: its colours run the other way, so that more is always further from the ground."""
    turned = palette.copy()
    turned[1:, :3] = palette[:0:-1, :3]
    return turned


TRAFFIC = sequential("matter")  # cmocean's, perceptually uniform, pale yellow to dark purple
PEOPLE = sequential("dense")
COVER = sequential("gray_r")


def traffic() -> np.ndarray:
    """The palette of traffic on the page as it is."""
    return on_dark(TRAFFIC) if dark() else TRAFFIC


@dataclass(frozen=True)
class Scale:
    """From values to palette entries, the same for all hours of a level. Values above `top` share its colour."""

    top: float
    logarithmic: bool = False

    @classmethod
    def of(cls, values: np.ndarray, logarithmic: bool = False) -> "Scale":
        """The scale of a level: its top is a robust maximum of all positive values."""
        positive = values[values > 0]
        top = float(np.quantile(positive, ROBUST_QUANTILE)) if positive.size else 1.0
        return cls(top, logarithmic)

    def share(self, values: np.ndarray) -> np.ndarray:
        """Place of values along the scale, 0..1."""
        if not self.logarithmic:
            return np.clip(values / self.top, 0, 1)
        decades = np.log10(np.maximum(values, 1e-300) / self.top)
        return np.clip(1 + decades / LOG_DECADES, 0, 1)

    def entries(self, values: np.ndarray) -> np.ndarray:
        """Palette entries (uint8) of values; nothing (0) stays transparent."""
        return np.where(values > 0, 1 + np.round(self.share(values) * 254), 0).astype(np.uint8)

    def ticks(self) -> list[tuple[float, float]]:
        """(place 0..1, value) of the legend's labels."""
        if self.logarithmic:
            return [(n / LOG_DECADES, self.top * 10 ** (n - LOG_DECADES)) for n in range(LOG_DECADES + 1)]
        return [(share, self.top * share) for share in (0, 0.5, 1)]


def palette_png(entries: np.ndarray, palette: np.ndarray) -> bytes:
    """A PNG of palette entries (H, W), row 0 on top: one byte a cell before compression, alpha included."""
    picture = Image.fromarray(entries, "P")
    picture.putpalette(palette[:, :3].tobytes())
    stream = io.BytesIO()
    picture.save(stream, "PNG", transparency=palette[:, 3].tobytes())
    return stream.getvalue()


def data_url(data: bytes, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def css_gradient(palette: np.ndarray, opacity: float = 1) -> str:
    """The palette as it looks on the basemap's land, light or dark, as a CSS gradient."""
    stops = palette[np.linspace(1, 255, 18).round().astype(int)].astype(float)
    alpha = stops[:, 3:] / 255 * opacity
    mixed = np.round(stops[:, :3] * alpha + (DARK_PAPER if dark() else PAPER) * (1 - alpha)).astype(int)
    return "linear-gradient(to right," + ",".join(f"rgb({r},{g},{b})" for r, g, b in mixed) + ")"


def scale_legend(title: str, scale: Scale, palette: np.ndarray, *, opacity: float = 1, words=human_bytes) -> str:
    """HTML: title, colour bar, labels with units."""
    ticks = scale.ticks()
    labels = []
    for place, value in ticks:
        prefix = "≥ " if place == 1 else "≤ " if place == 0 and value > 0 else ""
        side = "left:0" if place == 0 else "right:0" if place == 1 else f"left:{place:.1%};transform:translateX(-50%)"
        labels.append(f'<span style="position:absolute;{side}">{prefix}{html.escape(words(value))}</span>')
    return (
        f'<div class="legend" style="font-size:0.8rem;line-height:1.25"><div>{html.escape(title)}</div>'
        f'<div style="height:12px;margin:3px 0;border-radius:2px;background:{css_gradient(palette, opacity)}"></div>'
        f'<div style="position:relative;height:1.2em;white-space:nowrap">{"".join(labels)}</div></div>'
    )


def class_legend(title: str, classes: Iterable[tuple[str, str]]) -> str:
    """HTML: title and one coloured chip per (word, CSS colour)."""
    chips = "".join(
        f'<span style="display:inline-block;margin-right:10px;white-space:nowrap"><span style="display:inline-block;'
        f'width:10px;height:10px;margin-right:4px;border-radius:2px;background:{colour}"></span>{html.escape(word)}</span>'
        for word, colour in classes
    )
    return (
        f'<div class="legend" style="font-size:0.8rem;line-height:1.35"><div>{html.escape(title)}</div>'
        f"<div>{chips}</div></div>"
    )


def icon() -> Image.Image:
    """The page's icon: cells that get finer."""
    cells = np.repeat([[90, 90, 150, 210], [90, 90, 240, 120], [60, 180, 200, 255], [30, 120, 160, 220]], 8, 0)
    return Image.fromarray(TRAFFIC[np.repeat(cells, 8, 1), :3], "RGB")
