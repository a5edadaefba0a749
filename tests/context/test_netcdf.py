"""The context as a file: what is written comes back to the bit, and other programs find its place on the ground."""

from dataclasses import fields, replace

import netCDF4
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from zoomdiff.context import UEC
from zoomdiff.context.classes import AOI_CLASSES, POI_CATEGORIES
from zoomdiff.context.netcdf import read_netcdf, to_dataset, write_netcdf
from zoomdiff.context.uec import STRUCTURE
from zoomdiff.errors import MapError, OptionError
from zoomdiff.levels import S4T4, Hierarchy
from zoomdiff.region import Region

HELSINKI = Region.from_bbox((24.937, 60.166, 24.951, 60.177))  # of the fixture centre


@pytest.fixture
def uec(centre) -> UEC:
    return centre


def same(a: UEC, b: UEC) -> bool:
    """True if nothing differs, not even in type."""
    for field in fields(UEC):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray):
            assert x.dtype == y.dtype, field.name
            np.testing.assert_array_equal(x, y)
        elif not isinstance(x, Region):
            assert x == y, field.name
    for name in ("epsg", "row", "col", "hierarchy"):
        assert getattr(a.region, name) == getattr(b.region, name), name
    np.testing.assert_array_equal(a.region.blocks, b.region.blocks)
    assert shapely.equals_identical(a.region.polygon, b.region.polygon)
    return True


def made_up(region: Region, seed: int, sources=("Map: none.",), notes=()) -> UEC:
    """A context without sense but with every kind of number in it."""
    rng = np.random.default_rng(seed)

    def any_floats(*shape: int) -> np.ndarray:
        return (rng.random(shape) * 10.0 ** rng.integers(-30, 30, shape)).astype(np.float32)

    return UEC(
        region,
        any_floats(len(STRUCTURE), *region.shape),
        rng.integers(0, len(AOI_CLASSES), region.shape).astype(np.int8),
        any_floats(len(POI_CATEGORIES), *region.shape),
        any_floats(168, *region.shape),
        sources,
        notes,
    )


sentences = st.lists(
    st.text(st.characters(exclude_categories=("C", "Zl", "Zp"), exclude_characters="\x85"), min_size=1, max_size=40),
    max_size=3,
).map(tuple)


@settings(max_examples=15)
@given(
    place=st.tuples(st.floats(-170, 170), st.floats(-78, 78)),
    size=st.tuples(st.floats(0.001, 0.01), st.floats(0.001, 0.01)),
    shape=st.sampled_from(["box", "triangle", "two", "hole"]),
    hierarchy=st.sampled_from([S4T4, Hierarchy(S4T4.levels[1:])]),
    sources=sentences,
    notes=sentences,
    seed=st.integers(0, 9),
)
def test_round_trip_is_exact(tmp_path_factory, place, size, shape, hierarchy, sources, notes, seed):
    (lon, lat), (width, height) = place, size
    box = shapely.box(lon, lat, lon + width, lat + height)
    polygon = {
        "box": box,
        "triangle": shapely.Polygon([(lon, lat), (lon + width, lat), (lon, lat + height)]),
        "two": box.union(shapely.box(lon + 2 * width, lat, lon + 3 * width, lat + height)),
        "hole": box.difference(shapely.affinity.scale(box, 0.5, 0.5)),
    }[shape]
    context = made_up(Region.from_polygon(polygon, hierarchy=hierarchy), seed, sources, notes)
    path = write_netcdf(context, tmp_path_factory.mktemp("nc") / "uec.nc")
    assert same(context, read_netcdf(path))


def test_a_real_context_comes_back(uec, tmp_path):
    assert same(uec, read_netcdf(write_netcdf(uec, tmp_path / "new" / "uec.nc")))
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["uec.nc"]


def test_the_file_describes_what_is_in_it(uec, tmp_path):
    with xr.open_dataset(write_netcdf(uec, tmp_path / "uec.nc"), decode_coords="all") as file:
        assert file.attrs["Conventions"].startswith("CF-1.") and "ODbL" in file.attrs["license"]
        assert "OpenStreetMap" in file.attrs["source"] and "Bergroth" in file.attrs["source"]
        assert file.attrs["date_created"].startswith("20")
        assert file.spatial_ref.attrs["grid_mapping_name"] == "transverse_mercator"
        for name in ("structure", "aoi", "poi", "population", "inside"):
            assert file[name].encoding["grid_mapping"] == "spatial_ref" and file[name].attrs["long_name"]
            assert file[name].dims[-2:] == ("y", "x")
        assert file.aoi.attrs["flag_meanings"].split() == list(AOI_CLASSES)
        assert file.aoi.attrs["flag_values"].tolist() == list(range(len(AOI_CLASSES)))
        assert file.aoi.attrs["flag_values"].dtype == file.aoi.dtype == np.int8
        assert file.population.attrs["units"] == file.structure.attrs["units"] == "1"
        assert file.x.attrs["units"] == file.y.attrs["units"] == "m"
        assert file.x.attrs["standard_name"] == "projection_x_coordinate" and "_FillValue" not in file.x.encoding
        assert str(file.time.values[0])[:13] == "2025-03-03T00" and len(file.time) == 168
        assert file.population.sel(time="2025-03-04T12").sum() == pytest.approx(uec.population[36].sum())
        np.testing.assert_array_equal(file.poi.sel(category="shop"), uec.poi[POI_CATEGORIES.index("shop")])


@pytest.mark.parametrize("name", ["structure", "aoi", "poi", "population", "inside"])
def test_gdal_finds_crs_and_place(uec, name, tmp_path):
    path = write_netcdf(uec, tmp_path / "uec.nc")
    with rasterio.open(f"netcdf:{path}:{name}") as file:
        assert file.crs.to_epsg() == HELSINKI.epsg
        assert tuple(file.bounds) == HELSINKI.frame_bounds
        values = getattr(uec, name) if name != "inside" else HELSINKI.mask()
        np.testing.assert_array_equal(file.read().squeeze(), values)  # row 0 in the north


def test_the_dataset_is_the_context(uec):
    dataset = to_dataset(uec)
    assert dataset.sizes == {"channel": 9, "y": HELSINKI.shape[0], "x": HELSINKI.shape[1], "category": 10, "time": 168}
    assert dataset.population.sum("time").idxmax("x").shape == (HELSINKI.shape[0],)
    assert bool((dataset.y.diff("y") == -50).all()) and bool((dataset.x.diff("x") == 50).all())


def test_bad_files_get_one_sentence(uec, tmp_path):
    whole = write_netcdf(uec, tmp_path / "uec.nc").read_bytes()
    cropped = to_dataset(uec).isel(x=slice(3, None))
    cropped.to_netcdf(tmp_path / "cropped.nc")
    to_dataset(uec).drop_vars("poi").to_netcdf(tmp_path / "lacking.nc")
    to_dataset(uec).isel(time=slice(24)).to_netcdf(tmp_path / "short.nc")
    negative = to_dataset(uec)
    negative["population"] = -negative.population
    negative.to_netcdf(tmp_path / "negative.nc")
    xr.Dataset({"t2m": ("x", [1.0, 2.0])}).to_netcdf(tmp_path / "weather.nc")
    netCDF4.Dataset(tmp_path / "empty.nc", "w").close()
    (tmp_path / "cut.nc").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "noise.nc").write_bytes(b"not a file of this kind")
    for name in ("cropped", "lacking", "short", "negative", "weather", "empty", "cut", "noise"):
        with pytest.raises(MapError, match=rf"{name}\.nc is not a complete context") as caught:
            read_netcdf(tmp_path / f"{name}.nc")
        assert str(caught.value).count(". ") == 0
    with pytest.raises(MapError, match=r"no context file .*nowhere"):
        read_netcdf(tmp_path / "nowhere.nc")


def test_a_cropped_file_of_whole_blocks_is_refused_too(uec, tmp_path):
    to_dataset(uec).isel(x=slice(8, None)).to_netcdf(tmp_path / "cropped.nc")
    with pytest.raises(MapError, match="not a complete context"):
        read_netcdf(tmp_path / "cropped.nc")


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), RuntimeError("NetCDF: HDF error")])
def test_nothing_is_left_of_a_failed_writing(failure, uec, tmp_path, monkeypatch):
    path = tmp_path / "uec.nc"
    path.write_bytes(b"what was there before")

    def full(self, target, **options):
        target.write_bytes(b"half")
        raise failure

    monkeypatch.setattr(xr.Dataset, "to_netcdf", full)
    with pytest.raises(OptionError, match=r"cannot be written to .*(No space left|HDF error)"):
        write_netcdf(uec, path)
    assert path.read_bytes() == b"what was there before" and [p.name for p in tmp_path.iterdir()] == ["uec.nc"]
    monkeypatch.undo()
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="cannot be written"):
        write_netcdf(replace(uec, notes=()), tmp_path / "file" / "uec.nc")
