"""The picture of a context: it has all its parts, says units, sources and licence, and shows what is where."""

import numpy as np
import pytest
import shapely
from matplotlib.colors import to_rgb
from PIL import Image

from zoomdiff.context import UEC, build_uec
from zoomdiff.context.classes import AOI_COLOURS, POI_CATEGORIES
from zoomdiff.context.plot import WATER, plot_uec, write_plot
from zoomdiff.context.procedural import procedural_map
from zoomdiff.errors import OptionError
from zoomdiff.region import Region

HELSINKI = Region.from_bbox((24.937, 60.166, 24.951, 60.177))  # of the fixture centre


@pytest.fixture
def uec(centre) -> UEC:
    return centre


def words(figure) -> str:
    figure.draw_without_rendering()
    texts = [text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text"))]
    return "\n".join(texts)


def test_it_says_what_is_shown_in_which_unit_and_from_whom(uec):
    text = words(plot_uec(uec, "Helsinki's centre"))
    for needed in (
        "Helsinki's centre", "Houses and roads", "Main use of the ground", "Points of interest", "people per cell",
        "% of the cell", "m per cell", "200 m", "ODbL", "Bergroth", "EPSG:32635", "north is up", "rail", "commercial",
    ):  # fmt: skip
        assert needed in text, needed
    assert f"Wednesday 3:00: {uec.population[51][HELSINKI.mask()].sum():,.0f}" in text
    assert f"shop  {uec.poi[POI_CATEGORIES.index('shop')].sum():,.0f}" in text


def test_north_is_up_and_only_the_region_is_drawn(helsinki, uec):
    figure = plot_uec(uec, "")
    aoi = next(axes for axes in figure.axes if axes.get_title("left") == "Main use of the ground")
    shown = aoi.images[-1]
    np.testing.assert_array_equal(shown.get_array(), uec.aoi)  # row 0 on top: origin "upper"
    assert shown.origin == "upper" and shown.get_extent() == [0, HELSINKI.shape[1] * 0.05, 0, HELSINKI.shape[0] * 0.05]
    triangle = Region.from_polygon(shapely.Polygon([(24.937, 60.166), (24.951, 60.166), (24.937, 60.177)]))
    part = plot_uec(build_uec(helsinki, triangle), "")
    drawn = next(axes for axes in part.axes if axes.get_title("left") == "Main use of the ground").images[-1]
    np.testing.assert_array_equal(drawn.get_array().mask, ~triangle.mask())


def test_the_file_has_the_colours_of_the_classes(uec, tmp_path):
    path = write_plot(uec, tmp_path / "new" / "uec.png", "Helsinki")
    picture = np.asarray(Image.open(path).convert("RGB"))
    assert min(picture.shape[:2]) > 600 and path.stat().st_size < 500_000
    for colour in (AOI_COLOURS["green"], AOI_COLOURS["commercial"], AOI_COLOURS["water"], WATER):
        wanted = np.round(255 * np.array(to_rgb(colour)))
        assert (np.abs(picture - wanted).max(-1) <= 2).sum() > 300, colour
    assert [p.name for p in path.parent.iterdir()] == ["uec.png"]


@pytest.mark.parametrize("kilometres", [(0.4, 6.0), (6.0, 0.4)])
def test_slim_and_empty_regions_are_drawn(kilometres, tmp_path):
    town = procedural_map(3, kilometres=3.2)
    lon, lat = np.reshape(town.extent, (2, 2)).mean(0)
    width, height = kilometres[0] / 80 / 2, kilometres[1] / 111 / 2
    region = Region.from_bbox((lon - width, lat - height, lon + width, lat + height))
    assert write_plot(build_uec(town, region), tmp_path / "slim.png", "Slim").stat().st_size > 10_000
    sea = build_uec(town, Region.from_bbox((*np.array(town.extent[2:]) - 1e-4, *np.array(town.extent[2:]) + 0.02)))
    assert write_plot(sea, tmp_path / "sea.png", "Nothing").stat().st_size > 10_000


def test_bad_paths_get_one_sentence(uec, tmp_path):
    with pytest.raises(OptionError, match=r"must be a PNG: .*\.png"):
        write_plot(uec, tmp_path / "uec.jpg", "")
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="cannot be written"):
        write_plot(uec, tmp_path / "file" / "uec.png", "")
