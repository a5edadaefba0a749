"""A made-up place, a week and a small model for the tests of the app."""

from collections.abc import Iterator

import geopandas as gpd
import numpy as np
import pytest
import shapely
from panel_page import small_model
from zoomdiff.app import work, zoommap

from zoomdiff.context import MapLayers, build_uec
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.region import Region
from zoomdiff.week import TrafficWeek


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory) -> Iterator[None]:
    """Weeks that the page keeps are not put into the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOOMDIFF_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def region() -> Region:
    """3 x 2 blocks in Helsinki, without the one in the north-east."""
    corners = Region.from_bbox((24.9386, 60.1656, 24.9518, 60.1740)).corners(0)
    ring = [corners[at] for at in ((0, 0), (0, 1), (1, 1), (1, 2), (3, 2), (3, 0))]
    region = Region.from_polygon(shapely.Polygon(ring).buffer(-2e-5, join_style="mitre"))
    assert region.blocks.tolist() == [[True, False], [True, True], [True, True]]
    return region


@pytest.fixture(scope="session")
def week(region) -> TrafficWeek:
    """Random traffic with a third of zeros; the finest cell (9, 4) is busiest, on Wednesday from 17 to 18."""
    rng = np.random.default_rng(0)
    finest = np.round(rng.gamma(0.8, 1e6, (168, *region.shape))) * (rng.random((168, *region.shape)) > 0.3)
    finest *= region.mask()
    finest[2 * 24 + 17, 9, 4] = 1e9
    return TrafficWeek(region, tuple(region.hierarchy.pyramid(finest)))


@pytest.fixture(scope="session")
def layers(region) -> MapLayers:
    """A lake with an island, a house, a street and a park, each where the tests can find it."""
    lon, lat = region.centres(0)[2, 0]

    def square(x: float, y: float, half: float) -> shapely.Polygon:
        """About metres from the centre of the south-west block."""
        x, y = lon + x / 55_500, lat + y / 111_300
        return shapely.box(x - half / 55_500, y - half / 111_300, x + half / 55_500, y + half / 111_300)

    def table(shapes: list, **columns: list) -> gpd.GeoDataFrame:
        return gpd.GeoDataFrame(columns, geometry=shapes, crs=4326)

    west, south, east, north = region.bounds
    lake = square(0, 0, 100) - square(0, 0, 40)
    street = shapely.LineString([(west, lat - 150 / 111_300), (east, lat - 150 / 111_300)])
    return MapLayers(
        name="made up",
        source="nowhere",
        licence="none",
        extent=(west - 0.001, south - 0.001, east + 0.001, north + 0.001),
        buildings=table([square(0, 0, 15)], aoi=["residential"], storeys=[4.0]),
        roads=table([street], road=["primary"]),
        rails=table([]),
        areas=table([lake, square(-150, 150, 30)], aoi=["water", "green"]),
        pois=table([shapely.Point(lon, lat), shapely.Point(west - 0.0005, north)], category=["food", "shop"]),
    )


@pytest.fixture(scope="session")
def model() -> DRDM:
    return small_model()


@pytest.fixture(scope="module")
def untrained(model) -> Iterator[list]:
    """The small model in place of the shipped one; the list grows with each time it is asked for."""
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "model", lambda: asked.append(1) or model)
        yield asked


@pytest.fixture(scope="module")
def no_component(tmp_path_factory) -> Iterator[None]:
    """No map component, whether or not it was built: see `component`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoommap, "BUNDLE", tmp_path_factory.mktemp("static") / "zoommap.js")
        yield


@pytest.fixture
def component(no_component, monkeypatch) -> Iterator[list[dict]]:
    """A map component that reports nothing; the list keeps what it was sent, newest last."""
    zoommap.BUNDLE.touch()
    sent = []

    def component(function: str):
        return lambda **options: sent.append(options["data"]) if function == "default" else None

    monkeypatch.setattr(zoommap, "_component", component)
    yield sent
    zoommap.BUNDLE.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def place(layers, region) -> work.Place:
    return work.Place("made up", layers, region, build_uec(layers, region))
