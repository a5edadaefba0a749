"""People from a raster: no one is lost, everyone sleeps where the raster says, each hour has its total."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from pyproj import Transformer
from rasterio.transform import Affine, from_origin

from zoomdiff.context import MapLayers, build_uec
from zoomdiff.context.population import NIGHTS
from zoomdiff.context.procedural import procedural_map
from zoomdiff.context.residents import read_residents
from zoomdiff.errors import MapError, OptionError
from zoomdiff.region import Region

TOWN = procedural_map(3, kilometres=3.2)
WEST, SOUTH, EAST, NORTH = TOWN.extent
CORNER = shapely.Polygon([(WEST, SOUTH), (EAST, SOUTH), (WEST, NORTH)]).buffer(-0.004)  # not all blocks of its frame
REGION = Region.from_polygon(CORNER)
NO_HOMES = np.zeros(REGION.shape)


def write(path: Path, counts: np.ndarray, crs: str | None, transform: Affine, **options) -> Path:
    counts = counts if counts.ndim == 3 else counts[None]
    bands, rows, cols = counts.shape
    profile = {"count": bands, "height": rows, "width": cols, "dtype": counts.dtype, "crs": crs, "transform": transform}
    with rasterio.open(path, "w", driver="GTiff", **profile, **options) as file:
        file.write(counts)
    return path


def around(path: Path, crs: str, size: float, *, seed: int = 0, turn: float = 0.0) -> Path:
    """A raster of pixels of `size` (the CRS' units) that covers REGION, with people, nobody, and missing values."""
    frame = shapely.segmentize(shapely.box(*REGION.frame_bounds).buffer(300), 100)
    to_crs = Transformer.from_crs(REGION.crs, crs, always_xy=True)
    west, south, east, north = shapely.transform(frame, to_crs.transform, interleaved=False).bounds
    more = 0.3 * (east - west) if turn else 0
    rows, cols = int((north - south + 2 * more) / size) + 1, int((east - west + 2 * more) / size) + 1
    rng = np.random.default_rng(seed)
    counts = rng.gamma(0.5, 40, (rows, cols)).astype(np.float32) * (rng.random((rows, cols)) < 0.8)
    counts[rng.random((rows, cols)) < 0.1] = -200
    place = from_origin(west - more, north + more, size, size) @ Affine.rotation(turn, (cols / 2, rows / 2))
    return write(path, counts, crs, place, nodata=-200)


def exact_sum(path: Path, region: Region) -> float:
    """People in the region: the sum of counts weighed by the share of each pixel in it, cut in the raster's own CRS."""
    with rasterio.open(path) as raster:
        to_crs = Transformer.from_crs(region.crs, raster.crs.to_wkt(), always_xy=True)
        west, _, _, north = region.frame_bounds
        rows, cols = np.nonzero(region.blocks)
        squares = shapely.box(west + 400 * cols, north - 400 * (rows + 1), west + 400 * (cols + 1), north - 400 * rows)
        area = shapely.transform(shapely.segmentize(shapely.union_all(squares), 5), to_crs.transform, interleaved=False)
        counts = raster.read(1, masked=True).filled(0)
        row, col = np.indices(counts.shape)
        at = [raster.transform @ (col + dx, row + dy) for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))]
        pixels = shapely.polygons(np.stack([np.stack(xy, -1) for xy in at], -2))
        near = shapely.intersects(pixels, area)
        return float(
            (counts[near] * shapely.area(shapely.intersection(pixels[near], area)) / shapely.area(pixels[near])).sum()
        )


RASTERS = [  # CRS, pixel, turned by degrees
    ("ESRI:54009", 100.0, 0),  # as GHS-POP
    ("ESRI:54009", 1000.0, 0),
    ("EPSG:4326", 3 / 3600, 0),  # as WorldPop
    ("EPSG:3035", 250.0, 0),
    ("EPSG:32632", 50.0, 0),  # the region's own cells, nearly
    ("EPSG:32632", 30.0, 25),
    ("EPSG:32633", 130.0, 0),  # the next zone
]


@pytest.mark.parametrize(("crs", "size", "turn"), RASTERS, ids=[f"{c} {s:g}" for c, s, _ in RASTERS])
def test_nobody_is_lost(crs, size, turn, tmp_path):
    path = around(tmp_path / "people.tif", crs, size, turn=turn)
    expected = exact_sum(path, REGION)
    assert expected > 10 and not REGION.blocks.all()
    uec = build_uec(TOWN, REGION, population=path)
    night = uec.population[NIGHTS].mean(0)
    assert night[REGION.mask()].sum() == pytest.approx(expected, rel=1e-4)
    assert uec.notes == ()


def test_everyone_sleeps_where_the_raster_says_and_each_hour_has_its_total(tmp_path):
    rows, cols = REGION.blocks.shape
    counts = np.random.default_rng(1).gamma(0.5, 500, (rows, cols))
    counts[0] = 0
    path = write(tmp_path / "blocks.tif", counts, "EPSG:32632", from_origin(*REGION.origin, 400, 400))
    by_map, by_raster = build_uec(TOWN, REGION), build_uec(TOWN, REGION, population=path)
    mask = REGION.mask()
    night = by_raster.population[NIGHTS].mean(0)
    np.testing.assert_allclose(night.reshape(rows, 8, cols, 8).sum((1, 3)), counts, rtol=1e-5)

    hours_by_map, hours = (
        by_map.population[:, mask].sum(1, dtype=float),
        by_raster.population[:, mask].sum(1, dtype=float),
    )
    np.testing.assert_allclose(hours / hours[NIGHTS].mean(), hours_by_map / hours_by_map[NIGHTS].mean(), rtol=1e-4)
    assert hours[NIGHTS].mean() == pytest.approx(night[mask].sum(), rel=1e-5)
    # By day people are where the map has work and shops, although nobody sleeps there.
    nobody = mask & (night == 0) & (by_map.population[12] > 2 * by_map.population[3])
    assert nobody.sum() > 5 and by_raster.population[12][nobody].min() > 0
    np.testing.assert_array_equal(by_raster.structure, by_map.structure)


def test_within_a_pixel_people_live_where_homes_are_and_evenly_if_there_are_none(tmp_path):
    west, north = REGION.origin
    counts = np.zeros((2, 2), np.float32)
    counts[0, 0], counts[0, 1] = 80, 40
    path = write(tmp_path / "two.tif", counts, "EPSG:32632", from_origin(west, north, 100, 100))
    inside = REGION.mask()
    assert inside[:2, :4].all()
    homes = np.zeros(REGION.shape)
    homes[0, 0], homes[1, 1], homes[5, 5] = 300, 100, 1000
    people = read_residents(path, REGION, homes).people
    expected = np.zeros(REGION.shape)
    expected[0, 0], expected[1, 1] = 60, 20
    expected[:2, 2:4] = 10
    np.testing.assert_allclose(people, expected, atol=1e-6)


def test_the_outline_of_the_region_cuts_a_pixel_by_area(tmp_path):
    west, south, east, north = REGION.frame_bounds
    one = np.full((1, 1), 1000, np.int32)
    path = write(tmp_path / "one.tif", one, "EPSG:32632", from_origin(west, north, east - west, north - south))
    homes = np.where(REGION.mask(), 0.0, 500.0)  # all homes are outside of the region, in its frame
    people = read_residents(path, REGION, homes).people
    assert people[REGION.mask()].sum() == pytest.approx(1000 * REGION.blocks.mean())
    assert people.sum() == pytest.approx(1000)


def test_known_residents_scale_the_estimate_and_the_raster(tmp_path):
    path = around(tmp_path / "people.tif", "EPSG:4326", 3 / 3600)
    mask = REGION.mask()
    for raster in (None, path):
        uec = build_uec(TOWN, REGION, population=raster, residents=12_345)
        assert uec.population[NIGHTS][:, mask].sum(1, dtype=float).mean() == pytest.approx(12_345, rel=1e-5)
        assert "Scaled to 12,345 residents" in uec.sources[1]


def test_with_neither_the_context_is_as_it_was_when_the_weights_were_trained(helsinki):
    uec = build_uec(helsinki, Region.from_bbox((24.9362, 60.1660, 24.9520, 60.1780)))
    assert uec.population[3].sum(dtype=float) == pytest.approx(16032.035296382684, rel=1e-6)
    assert uec.population[12].sum(dtype=float) == pytest.approx(41280.7715842341, rel=1e-6)
    assert uec.population.std(dtype=float) == pytest.approx(58.95388320299726, rel=1e-6)


def test_sources_name_method_and_licence(tmp_path):
    names = {"GHS_POP_E2020_R2023A.tif": "CC BY 4.0", "ita_ppp_2020.tif": "WorldPop", "mine.tif": "not stated"}
    for name, words in names.items():
        uec = build_uec(TOWN, REGION, population=around(tmp_path / name, "EPSG:3035", 250.0))
        assert name in uec.sources[1] and words in uec.sources[1] and "residential floor area" in uec.sources[1]
        assert "Bergroth" in uec.sources[1]
    stated = around(tmp_path / "stated.tif", "EPSG:3035", 250.0)
    with rasterio.open(stated, "r+") as file:
        file.update_tags(TIFFTAG_COPYRIGHT="Statistics Office, CC0")
    assert "(Statistics Office, CC0)" in build_uec(TOWN, REGION, population=stated).sources[1]


def test_a_raster_that_covers_a_part_is_used_with_a_note(tmp_path):
    west, south, east, north = REGION.frame_bounds
    rows = int((north - south) / 100)
    half = np.ones((rows, int((east - west) / 200)), np.float32)
    path = write(tmp_path / "half.tif", half, "EPSG:32632", from_origin(west, north, 100, 100))
    uec = build_uec(TOWN, REGION, population=path)
    (note,) = uec.notes
    assert "lies on the population raster" in note and note.startswith("Only ")
    assert not uec.population[NIGHTS][:, :, -2:].any() and uec.population[12].any()


def test_a_raster_of_empty_ground_is_said(tmp_path):
    path = write(
        tmp_path / "none.tif",
        np.full((90, 90), -99999, np.float32),
        "EPSG:32632",
        from_origin(REGION.origin[0] - 100, REGION.origin[1] + 100, 100, 100),
        nodata=-99999,
    )
    uec = build_uec(TOWN, REGION, population=path)
    assert not uec.population.any() and any("nobody in this region" in note for note in uec.notes)


ONES = np.ones((90, 90), np.float32)
HERE = from_origin(REGION.origin[0] - 100, REGION.origin[1] + 100, 100, 100)
BAD = {
    "elsewhere": ((ONES, "EPSG:32632", from_origin(100_000, 4_000_000, 100, 100)), "does not cover the region"),
    "other side of the Earth": ((ONES, "EPSG:2193", from_origin(1_700_000, 5_900_000, 100, 100)), "does not cover"),
    "no CRS": ((ONES, None, HERE), "has no CRS"),
    "negative": ((ONES * -5, "EPSG:32632", HERE), "-5 people in a pixel"),
    "undeclared nodata": ((ONES * 3e38, "EPSG:32632", HERE), "gdal_edit.py -a_nodata"),
    "infinite": ((ONES * np.inf, "EPSG:32632", HERE), "inf people in a pixel"),
    "three bands": ((np.stack([ONES] * 3), "EPSG:32632", HERE), "3 bands"),
    "too fine": ((np.ones((2500, 2500), np.uint8), "EPSG:32632", HERE @ Affine.scale(0.01)), "too fine"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_raster_gets_one_sentence(kind, tmp_path):
    (counts, crs, transform), words = BAD[kind]
    path = write(tmp_path / "bad.tif", counts, crs, transform)
    with pytest.raises(MapError, match=words) as caught:
        build_uec(TOWN, REGION, population=path)
    assert str(caught.value).endswith(".") and str(caught.value).count(". ") == 0


def test_missing_and_damaged_files_get_one_sentence(tmp_path):
    with pytest.raises(MapError, match=r"no population raster .*nowhere\.tif"):
        build_uec(TOWN, REGION, population=tmp_path / "nowhere.tif")
    whole = around(tmp_path / "whole.tif", "EPSG:32632", 100.0).read_bytes()
    for name, data in {"noise": b"no raster at all", "cut": whole[: len(whole) // 2]}.items():
        path = tmp_path / f"{name}.tif"
        path.write_bytes(data)
        with pytest.raises(MapError, match="cannot be read as a raster"):
            build_uec(TOWN, REGION, population=path)


@pytest.mark.parametrize("number", [0, -1, float("nan"), float("inf"), 1e12])
def test_an_impossible_number_of_residents_is_refused(number):
    with pytest.raises(OptionError, match="number of residents"):
        build_uec(TOWN, REGION, residents=number)


def test_madrid_by_ghs_pop(shared_data):
    path = shared_data / "population" / "madrid_ghs_pop_r2023a_100m.tif"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    region = Region.from_bbox((-3.72, 40.40, -3.68, 40.43))
    house = gpd.GeoDataFrame(
        {"aoi": ["residential"], "storeys": [5.0]}, geometry=[shapely.box(-3.711, 40.411, -3.71, 40.412)], crs=4326
    )
    empty = {"roads": ["road"], "rails": [], "areas": ["aoi"], "pois": ["category"]}
    frames = {name: gpd.GeoDataFrame({c: [] for c in cols}, geometry=[], crs=4326) for name, cols in empty.items()}
    layers = MapLayers("Madrid", "made here", "none", (-3.8, 40.3, -3.6, 40.5), buildings=house, **frames)
    uec = build_uec(layers, region, population=path)
    night = uec.population[NIGHTS].mean(0)[region.mask()].sum(dtype=float)
    assert night == pytest.approx(exact_sum(path, region), rel=1e-4)
    assert 100_000 < night < 500_000 and "European Commission JRC" in uec.sources[1]
