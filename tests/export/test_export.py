"""Every format, opened by the readers that users have: values, places, times, CRS."""

import gzip
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import geopandas as gpd
import numpy as np
import orjson
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest
import rasterio
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import made_up_uec, made_up_week, southern
from PIL import Image
from rasterio.warp import transform

from zoomdiff.context.netcdf import read_netcdf
from zoomdiff.errors import OptionError
from zoomdiff.export.formats import FORMATS, Export, parse_formats, parse_hours, to_bytes, write_files
from zoomdiff.frames import to_frame
from zoomdiff.levels import S4T4
from zoomdiff.measured.read import read_measurements
from zoomdiff.region import Region
from zoomdiff.week import WEEK_START, TrafficWeek

CENTIMETRE = 0.01
LEVELS = range(len(S4T4))


def write(export: Export, name: str, folder, k: int, **change):
    one = replace(export, k=k, **change)
    path = folder / FORMATS[name].file_name(one)
    path.write_bytes(to_bytes(one, name))
    return path


def times_of(k: int) -> pd.DatetimeIndex:
    return pd.date_range(WEEK_START, periods=168 // S4T4[k].hours, freq=f"{S4T4[k].hours}h")


def cells(values: np.ndarray, region: Region, k: int) -> np.ndarray:
    """(..., n) the region's cells of (..., H, W), row by row."""
    return values[..., region.mask(k)]


def assert_here(lonlat: np.ndarray, region: Region, k: int) -> None:
    """The points (n, 2) are the centres of the region's cells to a centimetre."""
    here = np.stack(to_frame(region.epsg).transform(*lonlat.T), -1)
    assert np.abs(here - region.frame_centres(k)[region.mask(k)]).max() < CENTIMETRE


def outline_centres(frame: gpd.GeoDataFrame, region: Region) -> np.ndarray:
    """(n, 2) lon/lat of the centroids of the outlines in the zone."""
    points = frame.to_crs(region.epsg).centroid.to_crs(4326)
    return np.stack([points.x, points.y], -1)


@pytest.mark.parametrize("k", LEVELS)
def test_geojson_for_a_time_window_has_a_feature_per_cell_and_step(k, export, region, tmp_path):
    hours = range(30, 49)  # a window that begins and ends within steps of the coarser levels
    path = write(export, "geojson-long", tmp_path, k, hours=hours)
    frame = pyogrio.read_dataframe(path)
    each = pd.Timedelta(hours=S4T4[k].hours)
    touched = [t for t in times_of(k) if t + each > times_of(3)[30] and t < times_of(3)[49]]
    assert sorted(frame.time.unique()) == touched
    assert frame.time.dtype.kind == "M" and frame.time_end.dtype.kind == "M", "QGIS needs dates, not words"
    assert ((frame.time_end - frame.time) == each).all()
    assert frame.crs.to_epsg() == 4326 and pd.api.types.is_integer_dtype(frame.traffic)
    first = export.week.times(k).index(touched[0])
    expected = cells(export.week.volumes[k][first : first + len(touched)], region, k)
    np.testing.assert_array_equal(frame.traffic.to_numpy().reshape(expected.shape), expected)
    assert_here(outline_centres(frame[: expected.shape[1]], region), region, k)


@pytest.mark.parametrize("k", LEVELS)
def test_geoparquet_in_geopandas_and_pyarrow(k, export, region, tmp_path):
    path = write(export, "parquet", tmp_path, k)
    frame = gpd.read_parquet(path)
    assert frame.crs.to_epsg() == 4326 and frame.is_valid.all()
    np.testing.assert_array_equal(np.stack(frame.traffic).T, cells(export.week.volumes[k], region, k))
    assert_here(outline_centres(frame, region), region, k)
    np.testing.assert_allclose(frame.to_crs(region.epsg).area, S4T4[k].side ** 2, rtol=1e-6)
    assert (pd.to_datetime(frame.attrs["time"]) == times_of(k)).all() and frame.attrs["unit"] == "byte"
    assert frame.attrs["provenance"] == export.week.provenance
    table = pq.read_table(path)
    assert "geo" in {key.decode() for key in table.schema.metadata}
    assert str(table.schema.field("traffic").type).startswith("list<") and table["traffic"].type.value_type == "int64"


@pytest.mark.parametrize("k", LEVELS)
def test_netcdf_in_xarray(k, export, region, tmp_path):
    with xr.open_dataset(write(export, "netcdf", tmp_path, k), decode_coords="all") as file:
        traffic = file["traffic"]
        assert traffic.dims == ("time", "y", "x") and traffic.attrs["units"] == "byte"
        assert (file.indexes["time"] == times_of(k)).all()
        np.testing.assert_array_equal(np.isnan(traffic), np.broadcast_to(~region.mask(k), traffic.shape))
        np.testing.assert_array_equal(np.nan_to_num(traffic), export.week.volumes[k])
        np.testing.assert_array_equal(np.stack(np.meshgrid(file.x, file.y), -1), region.frame_centres(k))
        crs = file[traffic.encoding["grid_mapping"]]
        assert rasterio.CRS.from_wkt(crs.attrs["crs_wkt"]).to_epsg() == region.epsg
        assert json.loads(file.attrs["provenance"]) == export.week.provenance
        assert "CC0" in file.attrs["license"] and file.attrs["Conventions"].startswith("CF")


@pytest.mark.parametrize("name", ["netcdf", "cog"])
@pytest.mark.parametrize("k", LEVELS)
def test_rasters_in_gdal(k, name, export, region, tmp_path):
    with rasterio.open(write(export, name, tmp_path, k)) as file:
        assert not file.subdatasets and file.crs.to_epsg() == region.epsg and np.isnan(file.nodata)
        volumes = export.week.volumes[k]
        assert (file.count, *file.shape) == volumes.shape and set(file.units) == {"byte"}
        np.testing.assert_array_equal(np.nan_to_num(file.read()), volumes)
        rows, cols = np.nonzero(region.mask(k))
        x, y = rasterio.transform.xy(file.transform, rows, cols)
        assert_here(np.stack(transform(file.crs, "EPSG:4326", x, y), -1), region, k)


@pytest.mark.parametrize("k", LEVELS)
def test_a_cog_is_one_and_names_its_bands_after_the_time(k, export, tmp_path):
    with rasterio.open(write(export, "cog", tmp_path, k)) as file:
        assert (pd.to_datetime(list(file.descriptions)) == times_of(k)).all()
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.profile["tiled"] and json.loads(file.tags()["provenance"]) == export.week.provenance


def test_a_large_cog_has_overviews(tmp_path):
    region = Region.of_blocks(32632, 12_875, 1_700, np.ones((1, 17), bool))
    finest = np.broadcast_to(np.arange(168.0)[:, None, None], (168, *region.shape))
    export = Export(TrafficWeek(region, tuple(S4T4.pyramid(finest))), None, k=3)
    (tmp_path / "large.tif").write_bytes(to_bytes(export, "cog"))
    with rasterio.open(tmp_path / "large.tif") as file:
        assert file.overviews(1) == [2] and file.read(8, out_shape=(4, 68)).mean() == 7


@pytest.mark.parametrize("k", LEVELS)
def test_csv_in_pandas_and_in_our_own_reader(k, export, region, tmp_path):
    path = write(export, "csv", tmp_path, k)
    table = pd.read_csv(path, parse_dates=["time"])
    assert list(table.columns) == ["time", "row", "col", "h3", "lon", "lat", "traffic_bytes"]
    expected = cells(export.week.volumes[k], region, k)
    np.testing.assert_array_equal(table.traffic_bytes.to_numpy().reshape(expected.shape), expected)
    assert (table.time.unique() == times_of(k)).all()
    place = table[: expected.shape[1]]
    assert_here(place[["lon", "lat"]].to_numpy(), region, k)
    cell = region.hierarchy.between(0, k)[0]
    np.testing.assert_array_equal(
        np.stack([place.row - region.row * cell, place.col - region.col * cell]), np.nonzero(region.mask(k))
    )
    measured = read_measurements(path)
    np.testing.assert_array_equal(measured.traffic, expected)
    assert measured.minutes == 60 * S4T4[k].hours and measured.start == WEEK_START


def test_a_long_csv_is_packed_and_one_day_is_not(export, region, monkeypatch, tmp_path):
    monkeypatch.setattr("zoomdiff.export.csv.GZIP_ABOVE", 24 * region.mask().sum())
    day = replace(export, k=3, hours=range(48, 72))
    assert FORMATS["csv"].file_name(day) == "grid50.csv"
    table = pd.read_csv(io.BytesIO(to_bytes(day, "csv")))
    np.testing.assert_array_equal(table.traffic_bytes, cells(export.week.volumes[3][48:72], region, 3).ravel())
    whole = write(export, "csv", tmp_path, 3)
    assert whole.name == "grid50.csv.gz" and gzip.decompress(whole.read_bytes()).startswith(b"time,row,col")
    np.testing.assert_array_equal(pd.read_csv(whole).traffic_bytes, cells(export.week.volumes[3], region, 3).ravel())


@settings(max_examples=3)
@given(seed=st.integers(0, 99), south=st.booleans(), hours=st.tuples(st.integers(0, 166), st.integers(1, 60)))
def test_levels_and_formats_have_the_same_totals(seed, south, hours, tmp_path_factory):
    region = southern() if south else Region.from_bbox((24.939, 60.166, 24.940, 60.167))
    window = range(hours[0] // 24 * 24, min(168, -(-sum(hours) // 24) * 24))  # whole days: alike at all levels
    export, folder = Export(made_up_week(region, seed), None), tmp_path_factory.mktemp("totals")
    totals, in_window = set(), set()
    for k in LEVELS:
        features = orjson.loads(write(export, "geojson", folder, k).read_bytes())["features"]
        totals.add(sum(sum(cell["properties"]["traffic"]) for cell in features))
        totals.add(np.stack(gpd.read_parquet(write(export, "parquet", folder, k)).traffic).sum())
        with xr.open_dataset(write(export, "netcdf", folder, k)) as file:
            totals.add(int(file["traffic"].sum()))
        with rasterio.open(write(export, "cog", folder, k)) as file:
            totals.add(int(np.nansum(file.read())))
        long = orjson.loads(write(export, "geojson-long", folder, k, hours=window).read_bytes())
        in_window.add(sum(feature["properties"]["traffic"] for feature in long["features"]))
        in_window.add(pd.read_csv(write(export, "csv", folder, k, hours=window)).traffic_bytes.sum())
    assert totals == {export.week.total()}
    assert in_window == {export.week.volumes[3][window.start : window.stop].sum()}


def test_the_surroundings_read_back(export, tmp_path):
    uec = read_netcdf(write(export, "uec", tmp_path, 0))
    np.testing.assert_array_equal(uec.population, export.uec.population)
    assert uec.sources == export.uec.sources


@pytest.mark.parametrize("k, logarithmic", [(0, True), (1, False), (2, False), (3, True)])
def test_a_picture_shows_the_step_in_colour_and_nothing_outside(k, logarithmic, export):
    def drawn(step: int) -> np.ndarray:
        data = to_bytes(replace(export, k=k, step=step, logarithmic=logarithmic), "png")
        picture = Image.open(io.BytesIO(data))
        assert json.loads(picture.text["Comment"]) == export.week.provenance
        return np.asarray(picture.convert("RGB")).astype(int)

    first, second = drawn(0), drawn(1)
    assert first.shape == second.shape and (first != second).any()
    # The map is the 7.5 inch square under the heading; the block in its middle is not in the region.
    left, top, side = 0.3 * 120, 0.85 * 120, 7.5 * 120
    hole = first[int(top + 0.37 * side) : int(top + 0.63 * side), int(left + 0.37 * side) : int(left + 0.63 * side)]
    assert (hole == 255).all()
    block = first[int(top + 10) : int(top + 0.3 * side), int(left + 10) : int(left + 0.3 * side)]
    assert (np.ptp(block, axis=-1) > 20).mean() > 0.5, "colours"


def test_a_picture_of_silence(region):
    quiet = TrafficWeek(region, tuple(np.zeros_like(x) for x in made_up_week(region).volumes))
    for logarithmic in (False, True):
        assert to_bytes(Export(quiet, made_up_uec(region), logarithmic=logarithmic), "png")[:4] == b"\x89PNG"


def test_zarr_in_xarray(export, region, tmp_path):
    for _ in range(2):  # the second time over the first store
        write_files(export, tmp_path, ("zarr",))
    assert [path.name for path in tmp_path.iterdir()] == ["week.zarr"]
    store = xr.open_datatree(tmp_path / "week.zarr", engine="zarr", consolidated=False)
    assert set(store.children) == {level.name for level in S4T4}
    for k, level in enumerate(S4T4):
        traffic = store[level.name]["traffic"]
        assert traffic.attrs["units"] == "byte" and store[level.name].attrs["step_hours"] == level.hours
        np.testing.assert_array_equal(cells(traffic.values, region, k), cells(export.week.volumes[k], region, k))
        assert np.isnan(traffic.values[:, ~region.mask(k)]).all()
        assert list(pd.DatetimeIndex(traffic["time"])) == list(times_of(k))


def test_zarr_has_the_same_bytes_for_the_same_week(export, tmp_path):
    write_files(export, tmp_path / "a", ("zarr",))
    write_files(export, tmp_path / "b", ("zarr",))
    a, b = (sorted((tmp_path / name).rglob("*")) for name in "ab")
    assert len(a) == len(b) > 20
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(a, b, strict=True) if one.is_file())


@pytest.mark.parametrize("name", [name for name, kind in FORMATS.items() if kind.mime])
def test_the_same_week_has_the_same_bytes_and_its_size_is_known_beforehand(name, export):
    """But for the date of making in the surroundings."""
    for k in (0, 3) if FORMATS[name].level else (0,):
        one = replace(export, k=k)
        data = to_bytes(one, name)
        assert name == "uec" or to_bytes(one, name) == data
        assert 1 / 3 < FORMATS[name].size(one) / len(data) < 3


@pytest.mark.parametrize("name", ["netcdf", "cog", "png", "parquet"])
def test_users_who_download_at_the_same_time_get_what_each_would_get_alone(name, export):
    one = replace(export, k=1)
    with ThreadPoolExecutor(4) as users:
        files = list(users.map(lambda user: to_bytes(one, name), range(4)))
    assert set(files) == {to_bytes(one, name)}


def test_all_files_or_none(export, tmp_path, monkeypatch):
    paths = write_files(export, tmp_path / "new", ("geojson", "csv", "reproduce"))
    assert {path.name: k for path, k in paths.items()} == {
        **{f"{level.name}.geojson": k for k, level in enumerate(S4T4)},
        **{f"{level.name}.csv": k for k, level in enumerate(S4T4)},
        "reproduce.json": None,
    }
    assert sorted(paths) == sorted((tmp_path / "new").iterdir())

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zoomdiff.export.formats.write_cog", full)
    with pytest.raises(OptionError, match=r"results cannot be written to .*full: No space left on device"):
        write_files(export, tmp_path / "full", ("geojson", "cog"))
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_names_and_hours_as_people_type_them():
    assert parse_formats("csv, geojson,csv") == ("csv", "geojson")
    assert parse_hours("24-48") == range(24, 48)
    for text in ("", "shapefile", "csv,shapefile"):
        with pytest.raises(OptionError, match=r"no format .*choose from geojson"):
            parse_formats(text)
    for text in ("", "48-24", "0-169", "Tuesday", "24", "-5-8", "٢٤-٤٨"):
        with pytest.raises(OptionError, match="no part of the week"):
            parse_hours(text)
