"""Deck layers: what the browser is sent."""

import base64
import io
import json
import math

import numpy as np
import pytest
from PIL import Image
from zoomdiff.app import maps
from zoomdiff.app.colours import TRAFFIC, Scale

from zoomdiff.week import human_bytes


def spec(layers: list, region) -> dict:
    return json.loads(maps.deck(layers, region, "<b>{v}</b>").to_json())


def records(layer) -> list[dict]:
    head, _, body = layer.data.partition(",")
    assert head == "data:application/json;base64"
    return json.loads(base64.b64decode(body))


def picture_of(layer) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(layer.image.partition(",")[2])))


def test_the_deck_asks_nobody_for_a_map(region):
    sent = spec([], region)
    assert sent["mapStyle"] == "__MAP_STYLE__"  # pydeck's word for "none was given"
    assert "mapProvider" not in sent
    assert "http" not in json.dumps(sent)


def test_the_view_holds_the_region_and_no_more(region):
    view = maps.fit(region.bounds)
    west, south, east, north = region.bounds
    assert view.longitude == pytest.approx((west + east) / 2) and south < view.latitude < north
    metres_a_pixel = 2 * math.pi * 6378137 * math.cos(math.radians(view.latitude)) / 512 / 2**view.zoom
    height = (north - south) * 111_300 / metres_a_pixel
    assert maps.VIEW[1] * 0.97 < height <= maps.VIEW[1] * 1.01


def test_traffic_is_transparent_outside_the_region_and_where_nothing_is(week, region):
    scale = Scale.of(week.volumes[3])
    layer = maps.traffic_layer(week.volumes[3][5], region, 3, scale, 0.8)
    alpha = np.asarray(picture_of(layer).convert("RGBA"))[..., 3]
    assert alpha.shape == region.shape
    np.testing.assert_array_equal(alpha > 0, (week.volumes[3][5] > 0) & region.mask())
    assert layer.image.startswith("data:image/png") and layer.opacity == 0.8


def test_the_busiest_cell_has_the_last_colour(week, region):
    layer = maps.traffic_layer(week.volumes[3][2 * 24 + 17], region, 3, Scale.of(week.volumes[3]), 1)
    assert tuple(np.asarray(picture_of(layer).convert("RGBA"))[9, 4]) == tuple(TRAFFIC[255])


@pytest.mark.parametrize("k", range(4))
def test_one_pickable_cell_per_cell_of_the_region(week, region, k):
    cells = records(maps.pick_layer(week, k, 3))
    assert len(cells) == region.mask(k).sum()
    corner = region.corners(k)[:-1, :-1][region.mask(k)]
    np.testing.assert_allclose([[c["x"], c["y"]] for c in cells], corner, atol=1e-7)


def test_pickable_cells_meet_without_gaps(week, region):
    """The browser adds the corners from one pattern; they must end where the next cell begins."""
    layer = maps.pick_layer(week, 3, 0)
    expression = layer.get_polygon.removeprefix("@@=")
    side = math.degrees(50 / 6371e3)
    for cell, corners in zip(records(layer), maps.cell_rings(region, 3), strict=True):
        ring = eval(expression, {"__builtins__": {}}, cell)
        np.testing.assert_allclose(ring, corners[:4], atol=side / 100)


def test_the_tooltip_shows_the_step_while_the_cells_are_few(week, region, monkeypatch):
    assert records(maps.pick_layer(week, 0, 3))[0]["v"] == human_bytes(week.volumes[0][3, 0, 0])
    monkeypatch.setattr(maps, "BY_STEP", 4)
    assert records(maps.pick_layer(week, 0, 3))[0]["v"] == human_bytes(week.volumes[0][:, 0, 0].sum())


def test_clicks_move_to_a_coarser_level_when_cells_are_many(region, monkeypatch):
    assert [maps.pick_level(region, k) for k in range(4)] == [0, 1, 2, 3]
    monkeypatch.setattr(maps, "PICKABLE", 50)
    assert [maps.pick_level(region, k) for k in range(4)] == [0, 1, 1, 1]
    monkeypatch.setattr(maps, "PICKABLE", 1)
    assert maps.pick_level(region, 3) == 0


@pytest.mark.parametrize("k", range(4))
def test_a_picked_cell_is_found_again(region, k):
    side = region.hierarchy.space_factor(k)
    rows, cols = np.nonzero(region.mask(k))
    for index in (0, len(rows) // 2, len(rows) - 1):
        row, col = maps.picked_place(region, k, index)
        assert (row // side, col // side) == (rows[index], cols[index])
        lon, lat = region.centres(3)[row, col]
        assert region.cell_at(lon, lat, k) == (rows[index], cols[index])


def test_columns_are_on_the_cells_that_carry_something(week, region):
    volumes, scale = week.volumes[2][5], Scale.of(week.volumes[2])
    cells = records(maps.columns_layer(volumes, region, 2, scale, 0.8))
    there = region.mask(2) & (volumes > 0)
    np.testing.assert_allclose([cell["p"] for cell in cells], region.centres(2)[there], atol=1e-6)
    heights = np.array([cell["h"] for cell in cells])
    assert heights[volumes[there].argmax()] == heights.max()
    west, _, east, _ = region.frame_bounds
    assert heights.min() >= 0 and heights.max() <= maps.TALLEST * (east - west)


def test_columns_are_of_a_coarser_level_when_they_are_many(region, monkeypatch):
    assert maps.column_level(region, 3) == 3
    monkeypatch.setattr(maps, "COLUMNS", 30)
    assert [maps.column_level(region, k) for k in range(4)] == [0, 1, 1, 1]


def test_a_cell_that_is_no_more_is_not_picked(region):
    assert maps.picked_place(region, 0, 5) is None and maps.picked_place(region, 0, -1) is None


def test_blocks_and_outline(region):
    assert len(maps.blocks_layer(region).data) == 5
    (ring,) = maps.outline_layer(region).data
    assert ring["p"][0] == ring["p"][-1] and len(ring["p"]) == 7  # an L


def test_the_mark_frames_its_cell(region):
    rim, mark = maps.mark_layers(region, 1, (2, 3))
    ring = np.array(mark.data[0]["p"])
    assert rim.get_width > mark.get_width and len(ring) == 5
    np.testing.assert_allclose(ring[:4].mean(0), region.centres(1)[2, 3], atol=1e-6)
