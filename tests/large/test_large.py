"""A week piece by piece: the same as in one piece, whatever happens on the way."""

import errno
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from quick import QUICK, digest

from zoomdiff.checkpoint import new_network
from zoomdiff.context import build_uec, read_map
from zoomdiff.context.scenario import apply, read_scenario
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.errors import MapError, OptionError, RegionError
from zoomdiff.generation import generate
from zoomdiff.large import open_store
from zoomdiff.large.run import Place, generate_large
from zoomdiff.large.store import Store
from zoomdiff.levels import S4T4, aggregate
from zoomdiff.region import Region

BOX = (24.9362, 60.1660, 24.9520, 60.1780)


class Stop(Exception):
    """Raised by a test in the middle of a run."""


def volumes(store, level: str) -> np.ndarray:
    return xr.open_zarr(store, group=level, consolidated=False).traffic.to_numpy()


@pytest.fixture(scope="module")
def in_one_piece(model):
    uec = build_uec(read_map("helsinki"), Region.from_bbox(BOX))
    return generate(model, uec, seed=1, sampling=QUICK)


def test_it_is_the_week_of_one_piece(run, in_one_piece):
    store = run(region=BOX)
    for k, level in enumerate(S4T4):
        found, expected = volumes(store, level.name), in_one_piece.volumes[k]
        assert found.shape == expected.shape and (found == np.round(found)).all()
        assert abs(found - expected).max() <= 1e-5 * expected.max()
    for k in range(3):
        fine = volumes(store, S4T4[k + 1].name)
        np.testing.assert_array_equal(aggregate(fine, *S4T4.between(k, k + 1)), volumes(store, S4T4[k].name))
    about = json.loads((store / "zarr.json").read_text())["attributes"]
    assert about["complete"] and about["total_bytes"] == volumes(store, "bs").sum()
    gaps = in_one_piece.provenance["gap_before_conservation"]
    assert about["gap_before_conservation"] == pytest.approx(gaps, abs=2e-4)
    assert not (store.parent / ".week.zarr.run").exists()


def test_others_open_it(run, in_one_piece):
    store = run(region=BOX)
    level = xr.open_zarr(store, group="cell", consolidated=False)
    expected = in_one_piece["cell"].to_xarray()
    for axis in ("x", "y", "time"):
        np.testing.assert_array_equal(level[axis], expected[axis])
    assert level.traffic.attrs["units"] == "byte" and level.spatial_ref.attrs["crs_wkt"].startswith("PROJCRS")


def test_a_stop_at_any_piece_changes_no_byte(run, undisturbed, passes, tmp_path):
    for number in (3, len(passes) // 2, len(passes) - 1):
        shutil.rmtree(tmp_path / "week.zarr", ignore_errors=True)
        left = iter(range(number))

        def stop(*at, left=left):
            if next(left, None) is None:
                raise Stop

        with pytest.raises(Stop):
            run(on_piece=stop)
        again = []
        store = run(on_piece=lambda *at, again=again: again.append(at))
        assert digest(store) == digest(undisturbed)
        assert len(again) < len(passes)  # what was done is not done again


def test_a_complete_store_is_not_made_again(run, complete):
    before = digest(complete)

    def never(*at):
        raise Stop

    assert digest(run(on_piece=never)) == before


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"seed": 2}, "another seed (1, now 2)"),
        ({"sampling": replace(QUICK, preset="china")}, "another preset (europe, now china)"),
        ({"sampling": replace(QUICK, steps=2)}, "another steps (1, now 2)"),
        ({"residents": 5000}, "another number of residents (none, now 5000)"),
        ({"map": "town3"}, "another map ("),
        ({"region": BOX}, "another region (none, now {"),
    ],
)
def test_another_run_is_refused(run, complete, changed, words):
    with pytest.raises(OptionError) as error:
        run(**changed)
    assert words in str(error.value) and str(error.value).endswith("choose another --out, or remove it.")


def test_other_weights_are_refused(model, complete):
    other = DRDM(new_network(channels=8, blocks=1), model.prior, sha256="0" * 64)
    with pytest.raises(OptionError, match="another weights"):
        generate_large(other, Place("helsinki"), complete, seed=1, sampling=QUICK)


@pytest.mark.parametrize("options", [{"workers": 0}, {"workers": -1}, {"residents": -5}, {"residents": float("nan")}])
def test_numbers_that_cannot_be_are_one_sentence_before_the_run(run, tmp_path, options):
    with pytest.raises(OptionError, match=r"^The number of (workers|residents) "):
        run(**options)
    assert not list(tmp_path.iterdir())


def test_a_run_does_not_write_through_a_link(run, complete, tmp_path):
    shutil.move(complete / "cell" / "traffic" / "c", tmp_path / "elsewhere")
    (complete / "cell" / "traffic" / "c").symlink_to(tmp_path / "elsewhere")
    about = json.loads((complete / "zarr.json").read_text())
    about["attributes"]["complete"] = False
    (complete / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(OptionError, match="has a link in it"):
        run()


def test_a_complete_store_that_is_damaged_is_one_sentence(run, complete):
    about = json.loads((complete / "zarr.json").read_text())
    del about["attributes"]["sha256"]
    (complete / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(OptionError, match="is damaged, or was not made by ZoomDiff: generate it again"):
        run()


def test_what_is_no_store_is_left_alone(run, tmp_path, in_one_piece):
    (tmp_path / "week.zarr").mkdir()
    (tmp_path / "week.zarr" / "mine.txt").write_text("mine")
    with pytest.raises(OptionError, match=r"exists and is no store of ZoomDiff: choose another --out\.$"):
        run()
    assert (tmp_path / "week.zarr" / "mine.txt").read_text() == "mine"
    in_one_piece.save(tmp_path / "small", "zarr")
    with pytest.raises(OptionError, match="holds a week that was made at once"):
        run("small/week.zarr")


def test_a_full_disk_is_one_sentence_and_the_run_goes_on_later(run, undisturbed, monkeypatch):
    write, calls = Store.write, []

    def full(self, *args):
        calls.append(args)
        if len(calls) == 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", full)
        with pytest.raises(OptionError, match=r"cannot be written: No space left on device\. The same command goes on"):
            run()
    assert digest(run()) == digest(undisturbed)


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_folder_that_cannot_be_written_is_one_sentence(run, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OptionError, match="cannot be written"):
            run()
    finally:
        tmp_path.chmod(0o700)


def test_two_runs_to_one_store_are_refused(run):
    def again(*at):
        with pytest.raises(OptionError, match="Another run writes to"):
            run()
        raise Stop

    with pytest.raises(Stop):
        run(on_piece=again)


def test_a_region_off_the_map_is_refused(run):
    with pytest.raises(MapError, match="outside the map"):
        run(region=(10.0, 50.0, 10.1, 50.1))


def raster(path, west, width):
    """A population raster of pixels of 0.0005 degrees."""
    about = {"driver": "GTiff", "width": width, "height": 40, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
    place = rasterio.transform.from_origin(west, 60.184, 0.0005, 0.0005)
    with rasterio.open(path, "w", transform=place, **about) as file:
        file.write(np.random.default_rng(3).integers(0, 40, (1, 40, width)).astype(np.float32))
    return path


@pytest.mark.parametrize(
    ("width", "residents"), [(None, 9000.0), (60, 9000.0), (16, None)], ids=["map", "raster", "half a raster"]
)
def test_residents_and_rasters_count_for_the_whole_region(run, model, tmp_path, width, residents):
    population = width and raster(tmp_path / "people.tif", 24.93, width)
    uec = build_uec(read_map("helsinki"), Region.from_bbox(BOX), population=population, residents=residents)
    expected = generate(model, uec, seed=1, sampling=QUICK).volumes[0]
    store = run(region=BOX, population=population, residents=residents)
    assert abs(volumes(store, "bs") - expected).max() <= 1e-4 * expected.max()
    assert open_store(store).about["notes"] == list(uec.notes)
    assert any("of the region lies on the population raster" in note for note in uec.notes) == (width == 16)
    assert open_store(store).about["sources"] == list(uec.sources)


def test_a_raster_of_another_place_is_one_sentence(run, tmp_path):
    with pytest.raises(MapError, match=r"^The population raster people.tif does not cover the region"):
        run(region=BOX, population=raster(tmp_path / "people.tif", 5.0, 60))


def test_a_scenario_counts_once(run, model, tmp_path):
    mall = {"edit": "build", "use": "commercial", "floor_m2": 60_000}
    inside, on_edge = (24.942, 60.1705, 24.945, 60.1725), (BOX[0] - 0.02, BOX[1], BOX[0] + 0.003, BOX[1] + 0.003)
    grounds = [inside, on_edge, (5, 50, 5.1, 50.1)]
    features = [
        {"type": "Feature", "properties": mall, "geometry": shapely.geometry.mapping(shapely.box(*ground))}
        for ground in grounds
    ]
    path = tmp_path / "malls.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    uec = apply(build_uec(read_map("helsinki"), Region.from_bbox(BOX)), read_scenario(path))
    expected = generate(model, uec, seed=1, sampling=QUICK).volumes[-1]
    store = run(region=BOX, scenario=path)
    assert abs(volumes(store, "grid50") - expected).max() <= 1e-4 * expected.max()
    assert [note.split(" of the scenario")[0] for note in uec.notes[1:]] == ["Of edit 2", "Edit 3"]
    assert open_store(store).about["notes"] == list(uec.notes)
    assert open_store(store).about["sources"] == list(uec.sources)


def test_a_box_that_is_turned_around_is_one_sentence(run):
    west, south, east, north = BOX
    with pytest.raises(RegionError, match=r"^The box is empty or turned around"):
        run(region=(east, south, west, north))
