"""A store is a product: any part of it is read and written by others, and it can be made again from itself."""

import json
import os
import resource
import shutil
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
import zarr
from geopandas.testing import assert_geodataframe_equal
from quick import QUICK, digest

from zoomdiff import limits
from zoomdiff.cli import main
from zoomdiff.context import build_uec, read_map
from zoomdiff.errors import OptionError, RegionError
from zoomdiff.generation import generate
from zoomdiff.large import export, layout, read
from zoomdiff.large.read import open_store
from zoomdiff.large.reproduce import StoreRecipe
from zoomdiff.levels import S4T4, Hierarchy
from zoomdiff.region import Region
from zoomdiff.week import TrafficWeek

BOX = (24.9400, 60.1660, 24.9500, 60.1720)
INNER = (24.9400, 60.1680, 24.9430, 60.1700)
NAMES = [level.name for level in S4T4]


class Stop(Exception):
    """Raised by a test in the middle of an export."""


@pytest.fixture(scope="module")
def made(small_store):
    return small_store


@pytest.fixture
def store(made):
    return open_store(made)


@pytest.fixture
def copy(made, tmp_path):
    """A store that a test may damage."""
    return shutil.copytree(made, tmp_path / "copy.zarr")


@pytest.fixture
def zoomdiff(monkeypatch, capsys):
    """A command in this process: its exit code, output and errors."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["zoomdiff", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code or 0, *capsys.readouterr()

    return run


def values(store, level):
    return zarr.open_array(store / level / "traffic", mode="r")[:]


def sums_by_cell(table):
    """(row, col) -> sum."""
    return {(row, col): int(np.sum(t)) for row, col, t in zip(table.row, table.col, table.traffic, strict=True)}


def tiles_at_the_highest_zoom(path, level):
    """Each cell once: one at the edge of a tile is in several."""
    return pyogrio.read_dataframe(path, layer=level).drop_duplicates(["row", "col"])


# Reading


@pytest.mark.parametrize("level", NAMES)
def test_a_window_is_what_the_array_has_there(store, made, level):
    k, whole = NAMES.index(level), values(made, level)
    np.testing.assert_array_equal(store.window(level).volumes[0], whole)
    part = store.window(level, INNER)
    region, per_block = part.region, S4T4.between(0, k)[0]
    row, col = region.row - store.layout.extent.row * per_block, region.col - store.layout.extent.col * per_block
    rows, cols = region.blocks.shape
    np.testing.assert_array_equal(part.volumes[0], whole[:, row : row + rows, col : col + cols])
    assert part.level(0) == S4T4[k] and 0 < part.volumes[0].size < whole.size
    west, south, east, north = region.bounds
    assert west <= INNER[0] and south <= INNER[1] and east >= INNER[2] and north >= INNER[3]


def test_a_window_reads_its_chunks_only(store, copy):
    part = open_store(copy).within(INNER)
    side = zarr.open_array(copy / "grid50" / "traffic", mode="r").chunks[1] // 8
    kept = range(part.shown.row // side, -(-(part.shown.row + part.shown.rows) // side))
    lost = [file for file in (copy / "grid50" / "traffic" / "c").glob("*/*/*") if int(file.parent.name) not in kept]
    for file in lost:
        file.write_bytes(b"not zstd")
    assert lost
    np.testing.assert_array_equal(part.window("grid50").volumes[0], store.window("grid50", INNER).volumes[0])
    with pytest.raises(OptionError, match="is damaged, or was not made by ZoomDiff: generate it again"):
        open_store(copy).window("grid50")


def test_a_part_is_a_usual_week(store, tmp_path):
    week = store.part(INNER)
    assert [x.shape[0] for x in week.volumes] == [7, 42, 84, 168] and week.region.hierarchy == S4T4
    assert len({week.total(k) for k in range(4)}) == 1
    assert [path.name for path in week.save(tmp_path, "csv")] == [f"{name}.csv" for name in NAMES]


def test_a_part_down_to_a_level_opens_no_finer_array(store, copy):
    coarse, whole = open_store(copy), store.part(INNER)
    for level in NAMES[2:]:
        shutil.rmtree(copy / level)
    week = coarse.part(INNER, finest="cell")
    assert week.region.hierarchy.levels == S4T4.levels[:2] and week.region.shape == whole.region.mask(1).shape
    for k in range(2):
        np.testing.assert_array_equal(week.volumes[k], whole.volumes[k])
    with pytest.raises(OptionError, match="There is no level 'grid25'"):
        store.part(finest="grid25")


@pytest.mark.parametrize("level", NAMES)
@pytest.mark.parametrize("box", [None, INNER])
def test_the_overview_is_the_sum_over_time(store, level, box):
    overview, part = store.overview(level, box), store.window(level, box)
    np.testing.assert_array_equal(overview.volumes, part.volumes[0].sum(0))
    assert overview.region == part.region


def test_what_is_read_at_once_has_a_limit(store, monkeypatch):
    monkeypatch.setattr(read, "MOST_VALUES", 1000)
    with pytest.raises(OptionError, match=r"^The part has 1,280 cells.* read at once: give a smaller box or a coarser"):
        store.window("grid50")
    monkeypatch.setattr(read, "MOST_BLOCKS", 100)
    with pytest.raises(OptionError, match="give a smaller box or a coarser level"):
        store.overview("grid50")
    assert store.window("bs").volumes[0].any()


@pytest.mark.parametrize("box", [(10, 50, 11, 51), (24.95, 60.17, 24.94, 60.18), (24.9, 60.1, float("nan"), 60.2)])
def test_a_box_without_the_region_is_one_sentence(store, box):
    with pytest.raises(RegionError, match=r"^The box (has nothing of the region|is empty or turned around).*\.$"):
        store.window("bs", box)


def test_boxes_cut_a_region_into_parts_without_loss(store):
    """Whole blocks belong to every box that touches them: parts that share no block are the whole."""
    west, south, east, north = store.layout.extent.polygon.bounds
    found = set()
    for lon in np.linspace(west, east, 4)[:-1]:
        week = store.within((lon, south, lon + (east - west) / 3, north)).window("bs")
        rows, cols = np.nonzero(week.region.blocks)
        found |= set(zip(week.region.row + rows, week.region.col + cols, strict=True))
    whole = store.window("bs").region
    rows, cols = np.nonzero(whole.blocks)
    assert found == set(zip(whole.row + rows, whole.col + cols, strict=True))


# What is no complete store


def edited(path: Path, **attributes) -> Path:
    file = path / "zarr.json"
    text = json.loads(file.read_text())
    text["attributes"] |= attributes
    file.write_text(json.dumps(text))
    return path


@pytest.mark.parametrize(
    "attributes",
    [
        {"levels": [{"name": "../../etc", "title": "", "side": 400, "hours": 24}]},
        {"levels": []},
        {"levels": [{"name": "bs", "title": "", "side": 1e-300, "hours": 24}]},
        {"levels": {"name": "bs"}},
        {"region": "{}"},
        {"region": "x" * 100},
        {"region": '{"type": "Point", "coordinates": [24, 60]}'},
        {"raster": {"epsg": 32635, "row": 0, "col": 0}},
        {"raster": {"epsg": 32633, "row": 8317, "col": 963}},
        {"raster": None},
        {"notes": [1]},
        {"asked": []},
        {"asked": {}},
        {"total_bytes": "many"},
        {"sources": ["\ud800"]},
        {"notes": ["x" * 30_000]},
        {"notes": ["x"] * 2000},
        {"training": "x" * 30_000},
    ],
)
def test_other_attributes_are_one_sentence(copy, attributes):
    with pytest.raises(OptionError, match=r"copy\.zarr is damaged, or was not made by ZoomDiff: generate it again\.$"):
        open_store(edited(copy, **attributes))


@pytest.mark.parametrize(
    "array",
    [
        {"shape": [168, 40_000_000, 32]},
        {"data_type": "float32"},
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [168, 100_000, 100_000]}}},
        {"codecs": [{"name": "blosc", "configuration": {}}]},
        {"fill_value": "NaN"},
        {"shape": "all"},
        {"chunk_key_encoding": {"name": "v2", "configuration": {"separator": "."}}},
        {
            "codecs": [
                {"name": "bytes", "configuration": {"endian": "big"}},
                {"name": "zstd", "configuration": {"level": 3, "checksum": False}},
            ]
        },
    ],
)
def test_other_arrays_are_one_sentence(copy, array):
    file = copy / "grid50" / "traffic" / "zarr.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | array))
    with pytest.raises(OptionError, match=r"copy\.zarr is damaged, or was not made by ZoomDiff: generate it again\.$"):
        open_store(copy)


@pytest.mark.parametrize(
    "path", ["s3://bucket/week.zarr", "https://example.org/week.zarr", "nothing.zarr", "file.zarr"]
)
def test_what_is_no_folder_here_is_one_sentence(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file.zarr").touch()
    with pytest.raises(
        OptionError, match=r"^There is no store .*: give the folder that generate --out week\.zarr made"
    ):
        open_store(path)


def test_other_stores_are_one_sentence(store, copy, tmp_path):
    with pytest.raises(OptionError, match="is not complete: the command that makes it goes on"):
        open_store(edited(copy, complete=False))
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(OptionError, match="is no store of ZoomDiff: give a store that generate"):
        open_store(tmp_path / "empty.zarr")
    store.part(INNER).save(tmp_path, "zarr")
    with pytest.raises(OptionError, match="holds a week that was made at once: give a store that generate"):
        open_store(tmp_path / "week.zarr")


def test_a_chunk_that_is_a_link_to_another_file_is_not_read(copy, tmp_path):
    secret = tmp_path / "secret"
    chunk = next((copy / "bs" / "traffic" / "c").glob("*/*/*"))
    shutil.move(chunk, secret)
    chunk.symlink_to(secret)
    with pytest.raises(OptionError, match=r"cannot be read|is damaged"):
        open_store(copy).window("bs")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_chunk_that_is_a_pipe_is_one_sentence(copy):
    chunk = next((copy / "bs" / "traffic" / "c").glob("*/*/*"))
    chunk.unlink()
    os.mkfifo(chunk)
    with pytest.raises(OptionError, match="is damaged"):
        open_store(copy).window("bs")


def test_a_number_that_is_none_is_one_sentence(copy):
    edited(copy, gap_before_conservation=[float("nan")])
    with pytest.raises(OptionError, match="is no store of ZoomDiff"):
        open_store(copy)


@pytest.mark.parametrize("value", [-1, 0.5, 1e18, float("inf")])
def test_values_that_are_no_traffic_are_one_sentence(copy, value):
    zarr.open_array(copy / "bs" / "traffic", mode="r+")[0, 0, 0] = value
    with pytest.raises(OptionError, match="is damaged"):
        open_store(copy).window("bs")
    with pytest.raises(OptionError, match="is damaged"):
        open_store(copy).part()


def test_a_chunk_that_was_lost_is_not_silence(copy, tmp_path):
    next((copy / "grid50" / "traffic" / "c").glob("*/1/0")).unlink()
    with pytest.raises(OptionError, match="is damaged"):
        open_store(copy).save(tmp_path / "out", "parquet")
    assert not (tmp_path / "out").exists()
    with pytest.raises(OptionError, match="is damaged"):
        open_store(copy).window("grid50")


def test_an_outline_that_is_too_intricate_is_one_sentence(copy, monkeypatch):
    """Thousands of teeth across the edges of blocks: valid, and the work grows with the square of their number."""
    monkeypatch.setattr(limits, "SECONDS_AFTER_READING", 0.5)
    west, south, east, north = open_store(copy).layout.extent.polygon.bounds
    teeth = [(west + (east - west) * n / 20_000, south + 0.98 * (north - south) * (n % 2)) for n in range(20_001)]
    region = shapely.Polygon([(east, north), (west, north), *teeth[:-1], (east, south)])
    store = open_store(edited(copy, region=shapely.to_geojson(region)))
    for read_it in (store.window, store.overview):
        with pytest.raises(OptionError, match=r"^The region of the store takes longer than 0 s"):
            read_it("cell")


# Writing


@pytest.fixture(scope="module")
def written(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "CELLS", 16)
        paths = open_store(made).save(folder, "parquet,cog,pmtiles")
    assert {path.name for path in paths} == {f"{n}{e}" for n in NAMES for e in (".parquet", ".tif", ".pmtiles")}
    assert {path.name for path in folder.iterdir()} == {path.name for path in paths}
    return folder


@pytest.mark.parametrize("level", NAMES)
def test_every_format_has_the_bytes_of_the_store(store, made, written, level):
    total = int(values(made, level).sum())
    assert total == store.about["total_bytes"]
    table = gpd.read_parquet(written / f"{level}.parquet")
    assert sum(sums_by_cell(table).values()) == total and not table.duplicated(["row", "col"]).any()
    with rasterio.open(written / f"{level}.tif") as file:
        assert np.nansum(file.read()) == total
    tiles = tiles_at_the_highest_zoom(written / f"{level}.pmtiles", level)
    assert sums_by_cell(tiles) == sums_by_cell(table)
    days = np.array([np.reshape(cell, (7, -1)).sum(1) for cell in table.sort_values(["row", "col"]).traffic])
    columns = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    np.testing.assert_array_equal(tiles.sort_values(["row", "col"])[columns], days)


def test_parts_are_geoparquet_each(written):
    parts = sorted((written / "grid50.parquet").glob("*.parquet"))
    assert len(parts) == 6
    tables = [gpd.read_parquet(part) for part in parts]
    assert sum(map(len, tables)) == len(gpd.read_parquet(written / "grid50.parquet"))
    for table in tables:
        assert table.crs == 4326 and table.attrs["unit"] == "byte" and "ODbL" in str(table.attrs["provenance"])
    about = json.loads((written / "grid50.parquet" / "_about.json").read_text())
    assert "ODbL" in about["license"] and about["provenance"]["seed"] == 1


@pytest.mark.parametrize("level", NAMES)
def test_rasters_say_what_they_are(store, written, level):
    expected = store.window(level)
    with rasterio.open(written / f"{level}.tif") as file:
        bands = file.read()
        np.testing.assert_array_equal(bands, np.where(expected.region.blocks, expected.volumes[0], np.nan))
        assert file.crs.to_epsg() == 32635 and file.bounds[:] == expected.region.frame_bounds
        assert file.units[0] == "byte" and file.descriptions == tuple(t.isoformat() for t in expected.times(0))
        assert json.loads(file.tags()["provenance"]) == store.provenance
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_tiles_say_what_they_are(written):
    about = pyogrio.read_info(written / "grid50.pmtiles", layer="grid50")["dataset_metadata"]
    assert "byte" in about["name"] and "ODbL" in about["description"] and '"seed": 1' in about["description"]
    assert int(about["maxzoom"]) == int(about["minzoom"]) + export.ZOOMS - 1


@pytest.mark.parametrize("level", ["bs", "grid50"])
def test_a_box_has_the_cells_of_the_whole(store, written, tmp_path, level):
    paths = store.within(INNER).save(tmp_path, ["parquet", "cog", "pmtiles"], levels=level)
    assert [path.name for path in paths] == [f"{level}.parquet", f"{level}.tif", f"{level}.pmtiles"]
    whole, part = (sums_by_cell(gpd.read_parquet(folder / f"{level}.parquet")) for folder in (written, tmp_path))
    assert part and part.items() < whole.items()
    assert sums_by_cell(tiles_at_the_highest_zoom(paths[2], level)) == part
    with rasterio.open(paths[1]) as file, rasterio.open(written / f"{level}.tif") as of_all:
        expected = of_all.read(window=of_all.window(*file.bounds))
        np.testing.assert_array_equal(file.read(), expected)
        assert np.nansum(expected) == sum(part.values())


def test_it_is_the_table_of_a_usual_week(run, model, tmp_path):
    week = generate(model, build_uec(read_map("helsinki"), Region.from_bbox(BOX)), seed=1, sampling=QUICK)
    open_store(run(region=BOX)).save(tmp_path / "out", "parquet")
    for k, level in enumerate(NAMES):
        usual, found = week[level].to_geodataframe(), gpd.read_parquet(tmp_path / "out" / f"{level}.parquet")
        order = ["row", "col"]
        found = found.sort_values(order, ignore_index=True)
        assert_geodataframe_equal(found.drop(columns="traffic"), usual.drop(columns="traffic"))
        ours, theirs = np.stack(found.traffic), np.stack(usual.traffic)
        assert abs(ours - theirs).max() <= 1e-5 * theirs.max() and ours.dtype == theirs.dtype
        about, expected = found.attrs, usual.attrs
        assert about.keys() == expected.keys() and about["raster"] == expected["raster"], k
        assert about["provenance"].keys() == expected["provenance"].keys()
        for name in expected["provenance"].keys() - {"gap_before_conservation"}:
            assert about["provenance"][name] == expected["provenance"][name], name


def test_a_frame_without_a_code_is_named_in_full(store):
    own = store.window("bs")
    region = Region(own.region.polygon, 10_150_205, 12_000, 12_000, own.region.blocks, Hierarchy((S4T4[0],)))
    frame = TrafficWeek(region, own.volumes, own.provenance)["bs"].to_geodataframe()
    assert "+proj=laea" in frame.attrs["raster"]["crs"]


@pytest.mark.parametrize("form", ["parquet", "cog", "pmtiles"])
@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt])
def test_a_stop_leaves_nothing(store, tmp_path, form, error):
    def stop(file, done, pieces):
        if file.startswith("grid50") and done == 2:
            raise error

    with pytest.raises(error):
        store.save(tmp_path / "out", form, on_piece=stop)
    assert not list(tmp_path.iterdir())


def test_results_are_replaced_and_others_are_not(store, tmp_path):
    store.within(INNER).save(tmp_path, "parquet,cog", levels="bs,cell")
    (tmp_path / "mine.txt").write_text("mine")
    store.save(tmp_path, "parquet", levels="bs")
    assert len(gpd.read_parquet(tmp_path / "bs.parquet")) == store.window("bs").region.blocks.sum()
    assert {path.name for path in tmp_path.iterdir()} == {
        "bs.parquet",
        "cell.parquet",
        "bs.tif",
        "cell.tif",
        "mine.txt",
    }
    other = tmp_path / "grid50.parquet"
    other.mkdir()
    (other / "mine.parquet").write_text("mine")
    with pytest.raises(OptionError, match=r"grid50\.parquet exists and is not .* remove it or choose another folder"):
        store.save(tmp_path, "parquet")
    assert (other / "mine.parquet").read_text() == "mine"


@pytest.mark.parametrize(
    "form, size", [("parquet", 20_000), ("cog", 20_000), ("pmtiles", 20_000), ("pmtiles", 500_000)]
)
def test_a_full_disk_is_one_sentence(made, tmp_path, form, size):
    """No file of this process may be larger; of the tiles the second size is reached when GDAL closes the file."""
    store = open_store(made)
    store.window("bs")  # the process that reads is started before
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        with pytest.raises(OptionError, match=r"^The results cannot be written to "):
            store.save(tmp_path / "out", form)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_unknown_names_are_one_sentence(store, tmp_path, monkeypatch):
    for options, words in [
        ({"formats": "png"}, "There is no format 'png': choose from parquet, cog, pmtiles."),
        ({"formats": ""}, "There is no format given: choose from parquet, cog, pmtiles."),
        ({"formats": "cog", "levels": "bs,block"}, "There is no level 'block': choose from bs, cell, grid100, grid50."),
    ]:
        with pytest.raises(OptionError) as error:
            store.save(tmp_path / "out", **options)
        assert str(error.value) == words
    monkeypatch.setattr(export, "MOST_TILED", 100)
    with pytest.raises(
        OptionError, match=r"^Level grid50 has about .* choose a coarser --level, or a part with --bbox"
    ):
        store.save(tmp_path / "out", "parquet,pmtiles", levels="bs,grid50")
    monkeypatch.setattr(export, "MOST_BANDS", 10_000)
    with pytest.raises(OptionError, match=r"^Level grid50 has 215,040 values.* choose a coarser --level, or a part"):
        store.save(tmp_path / "out", "cog", levels="bs,grid50")
    monkeypatch.setattr(export.pyogrio, "list_drivers", lambda: {})
    with pytest.raises(OptionError, match="This build of GDAL writes no PMTiles"):
        store.save(tmp_path / "out", "pmtiles", levels="bs")
    assert not (tmp_path / "out").exists()


# The command, and the same again


def test_the_command_writes_a_part(zoomdiff, made, tmp_path):
    box = ",".join(map(str, INNER))
    asked = ("export", made, "--format", "parquet,cog", "--level", "bs,cell", "--bbox", box, "--out", tmp_path / "out")
    code, out, err = zoomdiff(*asked)
    names = ["bs.parquet", "cell.parquet", "bs.tif", "cell.tif"]
    assert code == 0 and [Path(line.split(":")[0]).name for line in out.splitlines()] == names
    assert "cell.tif" in err and "1 of 1 pieces" in err
    code, _, err = zoomdiff("export", tmp_path / "out")
    assert code == 2 and err.startswith("Error: ") and err.count("\n") == 1


def test_a_store_is_made_again_from_itself(zoomdiff, run, tmp_path):
    scenario = {"type": "FeatureCollection", "features": []}
    store = run(region=BOX, residents=9000.0, scenario=json.dumps(scenario))
    code, out, err = zoomdiff("reproduce", store, "--out", tmp_path / "again.zarr", "--device", "cpu")
    assert code == 0, err
    assert out.splitlines()[-1] == "The week is the same as that of the store, byte for byte."
    assert digest(tmp_path / "again.zarr") == digest(store)
    code, _, err = zoomdiff("reproduce", store, "--out", tmp_path / "other")
    assert code == 2 and err == "Error: What a store holds is made again as a store: give --out again.zarr.\n"


@pytest.mark.parametrize(
    "attributes, words",
    [
        ({"sha256": "0"}, "differs from that of the store, as the code has changed"),
        ({"sha256": "0", "asked": {"map_sha256": "0"}}, "as the map or the population is not what it was"),
        ({"sha256": "0", "asked": {"zoomdiff": "0.1"}}, "as it was made by ZoomDiff 0.1, and this is"),
    ],
)
def test_what_differs_is_said(made, copy, attributes, words):
    asked = open_store(copy).about["asked"] | attributes.get("asked", {})
    recipe = StoreRecipe.of(open_store(edited(copy, **attributes | {"asked": asked})))
    assert words in recipe.compare(made)


@pytest.mark.parametrize(
    "asked, words",
    [
        ({"weights_sha256": "0"}, "with other weights (SHA-256 0...): give those as --weights."),
        (
            {"population": "people.tif"},
            "Error: The store was made with the raster people.tif: give it as --population.",
        ),
        ({"steps": {"x": 1}}, "is damaged, or was not made by ZoomDiff: generate it again."),
        ({"region": "all"}, "is damaged, or was not made by ZoomDiff: generate it again."),
        ({"residents": "all"}, "is damaged, or was not made by ZoomDiff: generate it again."),
        ({"residents": -5}, "The number of residents is -5: give how many people live in the region."),
        ({"zoomdiff": "x" * 5000}, "is damaged, or was not made by ZoomDiff: generate it again."),
        ({"map": "x" * 5000}, "is damaged, or was not made by ZoomDiff: generate it again."),
        ({"map": "x" * 300}, "its name is too long."),
    ],
)
def test_what_cannot_be_made_again_is_one_sentence(zoomdiff, copy, tmp_path, asked, words):
    edited(copy, asked=open_store(copy).about["asked"] | asked)
    code, _, err = zoomdiff("reproduce", copy, "--out", tmp_path / "again.zarr", "--device", "cpu")
    assert code == 2 and words in err and err.count("\n") == 1 and len(err) < 500


def test_a_store_is_not_made_again_in_its_own_place(zoomdiff, copy):
    code, _, err = zoomdiff("reproduce", copy, "--out", copy, "--device", "cpu")
    assert code == 2 and "not made again in its own place" in err
