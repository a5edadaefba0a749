"""The public names: what `import zoomdiff as zd` gives, and the few lines that users write."""

import json
import pkgutil
import subprocess
import sys

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
    assert len(zd.__all__) == 16 and dir(zd) == sorted([*zd.__all__, "__version__"])
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


@pytest.mark.parametrize("seed", [1.5, "1", None, np.float64(2), 2**63])
def test_a_seed_is_a_whole_number(model, uec, seed):
    with pytest.raises(zd.ZoomDiffError, match="seed must be a whole number"):
        zd.generate(model, uec, seed=seed)


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
