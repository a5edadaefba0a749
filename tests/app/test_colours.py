"""Palettes, scales and legends."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from zoomdiff.app.colours import (
    LOG_DECADES,
    TRAFFIC,
    Scale,
    class_legend,
    css_gradient,
    data_url,
    icon,
    palette_png,
    scale_legend,
)


def lightness(palette: np.ndarray) -> np.ndarray:
    """Relative luminance of palette entries."""
    linear = (palette[:, :3] / 255.0) ** 2.2
    return linear @ [0.2126, 0.7152, 0.0722]


def test_palette_starts_transparent_and_gets_darker_all_the_way():
    assert TRAFFIC.shape == (256, 4) and TRAFFIC.dtype == np.uint8
    assert TRAFFIC[0, 3] == 0
    assert (TRAFFIC[1:, 3] >= 100).all() and TRAFFIC[-1, 3] == 255
    steps = np.diff(lightness(TRAFFIC[1::16]))
    assert (steps < 0).all()


def test_one_outlier_does_not_set_the_top():
    values = np.ones(10_000)
    values[:2000], values[0] = 5, 1e9
    assert Scale.of(values).top == pytest.approx(5)


def test_scale_of_nothing_is_usable():
    scale = Scale.of(np.zeros((7, 2, 2)))
    assert (scale.entries(np.zeros((2, 2))) == 0).all()


def test_linear_entries():
    entries = Scale(100.0).entries(np.array([0.0, 1e-9, 50.0, 100.0, 1e6]))
    assert entries.tolist() == [0, 1, 128, 255, 255]


def test_logarithmic_entries_take_equal_steps_per_decade():
    entries = Scale(1000.0, logarithmic=True).entries(np.array([0.0, 1e-3, 1.0, 10.0, 100.0, 1000.0])).astype(int)
    assert entries.tolist()[:3] == [0, 1, 1]
    assert np.diff(entries[2:]) == pytest.approx(254 / LOG_DECADES, abs=1)


def test_picture_has_the_cells_and_their_colours():
    entries = np.array([[0, 255, 7], [1, 0, 128]], np.uint8)
    picture = Image.open(io.BytesIO(palette_png(entries, TRAFFIC)))
    assert picture.mode == "P" and picture.size == (3, 2)
    np.testing.assert_array_equal(np.asarray(picture.convert("RGBA")), TRAFFIC[entries])


def test_data_url_round_trip():
    url = data_url(b"\x00\xffpng", "image/png")
    head, _, body = url.partition(",")
    assert head == "data:image/png;base64" and base64.b64decode(body) == b"\x00\xffpng"


def test_legend_has_units_and_marks_the_cut_off_top():
    html = scale_legend("Traffic per cell and 4 h", Scale(2e6), TRAFFIC)
    assert "Traffic per cell and 4 h" in html and "≥ 2 MB" in html and ">0 B<" in html and ">1 MB<" in html
    assert css_gradient(TRAFFIC) in html


def test_logarithmic_legend_marks_both_ends():
    html = scale_legend("t", Scale(2e6, logarithmic=True), TRAFFIC)
    assert "≤ 2 kB" in html and ">20 kB<" in html and "≥ 2 MB" in html


def test_legend_fades_with_the_opacity():
    assert css_gradient(TRAFFIC, 0.0).count("rgb(244,242,238)") == css_gradient(TRAFFIC).count("rgb(")
    assert css_gradient(TRAFFIC, 0.5) != css_gradient(TRAFFIC)


def test_class_legend_escapes_words():
    html = class_legend("Use", [("a<b", "#123456")])
    assert "a&lt;b" in html and "#123456" in html and "a<b" not in html


def test_icon_is_a_square_picture():
    assert icon().size == (32, 32) and len(icon().getcolors()) > 4
