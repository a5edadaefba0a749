"""Context overlays."""

import base64
import io

import numpy as np
import pytest
from PIL import Image, ImageColor
from zoomdiff.app.surroundings import OVERLAYS

from zoomdiff.context import build_uec
from zoomdiff.context.classes import AOI_CLASSES, AOI_COLOURS, POI_CATEGORIES, POI_COLOURS

WEEK = range(168)


@pytest.fixture(scope="module")
def uec(layers, region):
    return build_uec(layers, region)


def rgba(layer) -> np.ndarray:
    picture = Image.open(io.BytesIO(base64.b64decode(layer.image.partition(",")[2])))
    return np.asarray(picture.convert("RGBA"))


def test_every_class_has_a_colour_of_its_own():
    assert set(AOI_COLOURS) == set(AOI_CLASSES) - {"unknown"} and len(set(AOI_COLOURS.values())) == len(AOI_COLOURS)
    assert set(POI_COLOURS) == set(POI_CATEGORIES) and len(set(POI_COLOURS.values())) == len(POI_COLOURS)


@pytest.mark.parametrize("name", ["structure", "aoi", "population"])
def test_rasters_end_at_the_region(layers, uec, name):
    alpha = rgba(OVERLAYS[name].draw(layers, uec, WEEK))[..., 3]
    assert alpha.shape == uec.region.shape
    assert alpha[uec.region.mask()].any() and not alpha[~uec.region.mask()].any()


def test_use_is_drawn_in_its_colour(layers, uec):
    seen = rgba(OVERLAYS["aoi"].draw(layers, uec, WEEK))
    water = uec.aoi == AOI_CLASSES.index("water")
    assert water.any()
    assert (seen[water] == [*ImageColor.getrgb(AOI_COLOURS["water"]), 255]).all()


def test_only_places_in_the_region_are_drawn(layers, uec):
    layer = OVERLAYS["poi"].draw(layers, uec, WEEK)
    drawn = base64.b64decode(layer.data.partition(",")[2]).decode()
    assert drawn.count('"p"') == 1  # the shop lies outside


def test_legends_name_what_is_there(uec):
    use, places, people = (OVERLAYS[name].legend(uec) for name in ("aoi", "poi", "population"))
    assert "water" in use and "health" not in use
    assert "food" in places and "finance" not in places
    assert "estimate" in people and "≥" in people


def test_population_follows_the_hours(layers, uec):
    night, noon = (rgba(OVERLAYS["population"].draw(layers, uec, range(h, h + 1))) for h in (3, 36))
    assert (night != noon).any()
