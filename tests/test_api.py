"""The public names: what `import zoomdiff as zd` gives, and the few lines that users write."""

import json
import pkgutil
import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import zoomdiff as zd

BOX = (24.938, 60.165, 24.944, 60.169)


@pytest.fixture(scope="module")
def model():
    return zd.load_model(device="cpu")


@pytest.fixture(scope="module")
def uec() -> zd.UEC:
    return zd.build_uec(zd.read_map("helsinki"), zd.Region.from_bbox(BOX))


@pytest.fixture(scope="module")
def week(model, uec) -> zd.TrafficWeek:
    return zd.generate(model, uec, seed=1, sampling=zd.Sampling(steps=2))


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_all_names_exist_and_nothing_else_shows():
    assert len(zd.__all__) == 18 and dir(zd) == sorted([*zd.__all__, "__version__"])
    for name in zd.__all__:
        assert getattr(zd, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        zd.nothing  # noqa: B018


def test_importing_it_imports_nothing_heavy():
    found = python(
        "import sys, zoomdiff; print(*{'torch', 'geopandas', 'xarray', 'numpy', 'pandas'} & set(sys.modules))"
    )
    assert found.strip() == ""


def test_no_name_is_that_of_a_module():
    """The module, once imported, would hide the function."""
    assert not set(zd.__all__) & {module.name for module in pkgutil.iter_modules(zd.__path__)}


def test_maps_levels_and_files_do_without_torch():
    modules = ("levels", "metrics", "week", "region", "export.formats", "context", "sampling")
    imports = "; ".join(f"import zoomdiff.{module}" for module in modules)
    assert python(f"import sys; {imports}; print('torch' in sys.modules)").strip() == "False"


def test_a_level_by_its_name_or_number(week):
    level = week["grid50"]
    np.testing.assert_array_equal(level.volumes, week.volumes[3])
    assert week[-1].k == week[3].k == level.k and level.level.side == 50 and level.times[1].hour == 1
    for wrong in ("grid25", 4, -5):
        with pytest.raises(zd.ZoomDiffError, match="choose from bs, cell, grid100, grid50"):
            week[wrong]


def test_a_level_in_xarray(week):
    traffic = week["grid50"].to_xarray()
    assert traffic.dims == ("time", "y", "x") and traffic.attrs["units"] == "byte"
    assert traffic["spatial_ref"].attrs["crs_wkt"].startswith("PROJCRS") and traffic.attrs["Conventions"].startswith(
        "CF"
    )
    assert float(traffic.sum()) == week.total() and json.loads(traffic.attrs["provenance"])["seed"] == 1


def test_a_level_in_geopandas(week):
    frame = week["bs"].to_geodataframe()
    assert frame.crs.to_epsg() == 4326 and len(frame) == week.region.mask(0).sum()
    assert sum(sum(series) for series in frame["traffic"]) == week.total() and frame.attrs["unit"] == "byte"


def test_results_are_compared_by_their_content(week, uec):
    again = replace(week, volumes=tuple(x.copy() for x in week.volumes))
    assert week == again and week.region == replace(week.region, blocks=week.region.blocks.copy()) and uec == uec
    assert week != replace(again, volumes=tuple(2 * x for x in week.volumes)) and week != week.region and week != 5
    assert week != replace(again, provenance={}) and week.region != replace(week.region, col=0)
    assert uec != replace(uec, aoi=np.zeros_like(uec.aoi)) and week["bs"] == again["bs"] != week["cell"]
    assert zd.read_map("town7") != zd.read_map("town7")


def test_a_level_for_formats_without_lists(week, tmp_path):
    for level, columns in ((week["grid50"], ["Mon_00", "Sun_23"]), (week["bs"], ["Mon", "Sun"])):
        level.to_geodataframe(wide=True).to_file(tmp_path / "week.gpkg")
        read = gpd.read_file(tmp_path / "week.gpkg")
        steps = read.drop(columns=["row", "col", "h3", "geometry"])
        assert [steps.columns[0], steps.columns[-1]] == columns and steps.dtypes.eq("int64").all()
        assert steps.to_numpy().sum() == week.total()


def test_traffic_at_a_place(week):
    lon, lat = week.region.centres(1)[2, 1]
    np.testing.assert_array_equal(week["cell"].at(lon, lat), week.volumes[1][:, 2, 1])
    with pytest.raises(zd.ZoomDiffError, match=r"place 10,60 lies outside the region: give lon and lat within 24\.9"):
        week["cell"].at(10, 60)


def test_a_level_of_xarray_comes_back_from_a_file(week, tmp_path):
    traffic = week["cell"].to_xarray()
    traffic.to_netcdf(tmp_path / "cell.nc")
    with xr.open_dataarray(tmp_path / "cell.nc", decode_coords="all") as read:
        xr.testing.assert_equal(read, traffic)
        assert set(read.coords) == set(traffic.coords)


def test_save_writes_the_formats_that_are_asked_for(week, tmp_path):
    paths = week.save(tmp_path, formats=["parquet", "zarr", "png", "reproduce"])
    assert {path.name for path in paths} >= {"grid50.parquet", "week.zarr", "grid50.png", "reproduce.json"}
    assert {path for path in tmp_path.iterdir()} == set(paths)
    saved = xr.open_datatree(tmp_path / "week.zarr", engine="zarr", consolidated=False)["grid50"]["traffic"]
    assert float(saved.sum()) == week.total()
    with pytest.raises(zd.ZoomDiffError, match="no format 'xlsx'"):
        week.save(tmp_path / "none", formats=["parquet", "xlsx"])
    assert not (tmp_path / "none").exists()


def test_a_week_from_elsewhere_says_what_it_lacks(week, tmp_path):
    bare = zd.TrafficWeek(week.region, week.volumes)
    assert len(bare.save(tmp_path)) == 4
    with pytest.raises(zd.ZoomDiffError, match="needs the urban context"):
        bare.save(tmp_path / "none", formats="png")


def test_plot_shows_the_levels_beside_each_other(week):
    axes = [axes for axes in week.plot().axes if axes.get_title()]
    assert [each.get_title().partition("\n")[0] for each in axes] == [
        "base station (400 m)",
        "cell (200 m)",
        "100 m grid",
        "50 m grid",
    ]


def test_measured_traffic_is_refined_in_one_call(model, uec, tmp_path):
    hours = pd.date_range("2024-05-06", periods=168, freq="h").repeat(2)
    table = pd.DataFrame({"time": hours, "site": ["a", "b"] * 168, "lon": [24.939, 24.943] * 168, "lat": 60.167})
    table["MB"] = 10.0 + np.arange(len(table)) % 7
    table.rename(columns={"MB": "volume"}).to_csv(tmp_path / "sites.csv", index=False)
    mine = zd.read_measurements(tmp_path / "sites.csv", unit="MB")
    week = zd.refine(model, uec, mine, sampling=zd.Sampling(steps=2))
    assert week.total() == pytest.approx(table["MB"].sum() * 1e6)
    hourly = table.groupby("time")["MB"].sum().to_numpy() * 1e6
    np.testing.assert_allclose(week["grid50"].volumes.sum((1, 2)), hourly)
    assert any("The week is" in note for note in week.provenance["notes"])


def test_an_ensemble_yields_the_week_of_each_seed(model, uec, week):
    weeks = zd.ensemble(model, uec, seeds=range(1, 3), sampling=zd.Sampling(steps=2))
    np.testing.assert_array_equal(next(weeks).volumes[-1], week.volumes[-1])
    assert next(weeks).provenance["seed"] == 2 and next(weeks, None) is None


@pytest.mark.parametrize(
    ("seeds", "sampling"), [([1, -1], {}), ([1], {"preset": "mars"}), ([1], {"steps": "slow"}), ([1], {"steps": 0})]
)
def test_an_ensemble_refuses_at_once(model, uec, seeds, sampling):
    with pytest.raises(zd.ZoomDiffError):
        zd.ensemble(model, uec, seeds, sampling=zd.Sampling(**sampling))


def test_numbers_of_numpy_are_numbers(model, uec, week, tmp_path):
    sampling = zd.Sampling(steps=np.int64(2), guidance=np.float32(1.0))
    same = next(zd.ensemble(model, uec, np.arange(1, 2), sampling=sampling))
    np.testing.assert_array_equal(same.volumes[-1], week.volumes[-1])
    assert same.provenance == week.provenance
    same.save(tmp_path, ["reproduce", "geojson"])


@pytest.mark.parametrize("seed", [1.5, "1", None, True, np.float64(2), 2**63])
def test_a_seed_is_a_whole_number(model, uec, seed):
    with pytest.raises(zd.ZoomDiffError, match="seed must be a whole number"):
        zd.generate(model, uec, seed=seed)


WRONG = [  # a call, and the sentence that names the value and says what is valid
    (lambda t: zd.Sampling(guidance=-1), "guidance must be a number from 0 to 100, not -1."),
    (lambda t: zd.Sampling(guidance="2"), "guidance must be a number from 0 to 100, not '2'."),
    (lambda t: zd.Sampling(guidance=float("nan")), "guidance must be a number from 0 to 100, not nan."),
    (lambda t: zd.Sampling(tile=1.5), "tile must be a whole number of cells from 1, or None, not 1.5."),
    (lambda t: zd.Sampling(tile=0), "tile must be a whole number of cells from 1, or None, not 0."),
    (lambda t: zd.Sampling(steps="٣"), "Steps must be fast, full or a number from 1, not '٣'."),
    (lambda t: zd.Sampling(steps=2.0), "Steps must be fast, full or a number from 1, not 2.0."),
    (lambda t: zd.Sampling(steps=np.zeros(3)), "Steps must be fast, full or a number from 1, not array"),
    (lambda t: zd.Sampling(preset=None), "There is no preset None: choose china or europe."),
    (lambda t: zd.Callbacks(on_step=3), "on_step must be a function, not 3."),
    (lambda t: zd.ensemble(t.model, t.uec, 5), "seeds must be several whole numbers, such as range(20), not 5."),
    (lambda t: zd.ensemble(t.model, t.uec, [1, 2.5]), "seed must be a whole number from 0 to 2^63 - 1, not 2.5."),
    (lambda t: zd.generate(t.uec, t.model), "The model must be the model of load_model(), not UEC("),
    (lambda t: zd.generate(t.model, t.week), "uec must be the urban context of build_uec(), not TrafficWeek("),
    (lambda t: zd.generate(t.model, t.uec, sampling="fast"), "sampling must be a Sampling, not 'fast'."),
    (lambda t: zd.generate(t.model, t.uec, callbacks=print), "callbacks must be a Callbacks, not <built-in"),
    (lambda t: zd.refine(t.model, t.uec, "mine.csv"), "measured must be the traffic of read_measurements()"),
    (lambda t: zd.refine(t.model, t.uec, None), "not None."),
    (lambda t: zd.build_uec("helsinki", t.uec.region), "layers must be the map of read_map(), not 'helsinki'."),
    (lambda t: zd.build_uec(zd.read_map("town7"), BOX), "region must be a Region, not (24.938"),
    (lambda t: zd.Region.from_bbox("24.9,60.1,25.0,60.2"), "box must be four numbers (west, south, east, north)"),
    (lambda t: zd.Region.from_bbox((1, 2, 3)), "in degrees, not (1, 2, 3)."),
    (lambda t: zd.Region.from_bbox(None), "in degrees, not None."),
    (lambda t: zd.Region.from_bbox((1, 2, None, 4)), "in degrees, not (1, 2, None, 4)."),
    (lambda t: zd.Region.from_bbox(BOX, max_km2="9"), "max_km2 must be a number of square kilometres"),
    (lambda t: zd.Region.from_bbox(BOX, hierarchy="S4T4"), "hierarchy must be a Hierarchy, such as S4T4, not 'S4T4'."),
    (lambda t: zd.Region.from_polygon(BOX), "region must be a polygon of shapely, not (24.938"),
    (
        lambda t: zd.Region.from_geojson("a.geojson"),
        "text of a GeoJSON file; of a file give the Path, not 'a.geojson'.",
    ),
    (lambda t: zd.Region.from_geojson(None), "region must be the Path of a GeoJSON file, or its text, not None."),
    (lambda t: zd.read_map(""), "map must be a path, as text or as a Path, not ''."),
    (lambda t: zd.read_map(None), "map must be a path, as text or as a Path, not None."),
    (lambda t: zd.read_map("helsinki", bbox="24"), "box to read must be four numbers"),
    (lambda t: zd.load_model(""), "weights must be a path, as text or as a Path, not ''."),
    (lambda t: zd.load_model(7), "weights must be a path, as text or as a Path, not 7."),
    (lambda t: zd.load_model(device=0), "device must be auto, cuda, mps or cpu, not 0."),
    (lambda t: zd.load_model(sha256=5), "SHA-256 must be 64 hexadecimal digits as text, not 5."),
    (lambda t: t.week.save(""), "folder must be a path, as text or as a Path, not ''."),
    (lambda t: t.week.save(None), "folder must be a path, as text or as a Path, not None."),
    (lambda t: t.week.save("out", formats=[]), "There is no format given: choose from geojson"),
    (lambda t: t.week.save("out", formats=None), "formats must be names: choose from geojson"),
    (lambda t: t.week.save("out", formats=[5]), "There is no format 5: choose from geojson"),
]


@pytest.mark.parametrize(("call", "words"), WRONG, ids=[words for _, words in WRONG])
def test_a_wrong_value_gets_one_sentence_that_names_it(call, words, model, uec, week, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(zd.ZoomDiffError, match=re.escape(words)) as caught:
        call(SimpleNamespace(model=model, uec=uec, week=week))
    assert str(caught.value).endswith(".") and not list(tmp_path.iterdir())


def test_the_home_folder_has_its_sign(week, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert week.save("~/mine")[0].parent == tmp_path / "mine"
    with pytest.raises(zd.ZoomDiffError, match=str(tmp_path)):
        zd.read_map("~/none.osm.pbf")
    with pytest.raises(zd.ZoomDiffError, match=str(tmp_path)):
        zd.load_model("~/none.safetensors")


def test_a_callback_cannot_change_the_week(model, uec, week):
    wipe = zd.Callbacks(on_level=lambda k, volumes: volumes.fill(0))
    wiped = zd.generate(model, uec, seed=1, sampling=zd.Sampling(steps=2), callbacks=wipe)
    np.testing.assert_array_equal(wiped.volumes[-1], week.volumes[-1])


def test_levels_of_a_week_one_by_one(week):
    assert [each.level.name for each in week] == ["bs", "cell", "grid100", "grid50"]
    assert "bs" in week and "grid25" not in week


@pytest.mark.parametrize(("name", "formats"), [("bs.geojson", "geojson"), ("week.zarr", ["csv", "zarr"])])
def test_what_has_the_name_of_a_result_is_not_lost(week, tmp_path, name, formats):
    (tmp_path / name).mkdir()
    (tmp_path / name / "mine.txt").write_text("mine")
    with pytest.raises(zd.ZoomDiffError, match=r"exists and is not a Zarr store|a folder has that name"):
        week.save(tmp_path, formats)
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name / "mine.txt").exists()
