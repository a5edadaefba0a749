"""Does any input end in anything but a result or one sentence? Damaged files for every public reader.

Files of each kind are made first; each trial damages one of them (or one of `--corpus`, whose names say their reader):
bytes changed, cut out, doubled or moved; in JSON a value or a key replaced by an awkward one; in a PBF the content of
a block, which is unpacked, damaged and packed again. What ends in another exception than ZoomDiff's, or takes longer
than HANG seconds or more than MOST_GB of memory in a process, is kept in `--found` with what happened. Counts are
printed; the exit status is 1 where any is found.
"""

import argparse
import collections
import json
import random
import shutil
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import shapely

import zoomdiff as zd
from benchmarks.machine import Largest, cpu_name
from zoomdiff.checkpoint import new_network, save_model
from zoomdiff.context.netcdf import read_netcdf, write_netcdf
from zoomdiff.context.osm import helsinki
from zoomdiff.context.residents import read_residents
from zoomdiff.context.scenario import read_scenario
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.errors import ZoomDiffError
from zoomdiff.export.geojson import read_geojson
from zoomdiff.export.reproduce import read_reproduce
from zoomdiff.realism.datasets import read_milan_raw, read_nanchang, read_nanjing

HANG = 5.0  # seconds
MOST_GB = 2.0  # of this process, or one that reads
BOX = (24.941, 60.167, 24.946, 60.170)
AWKWARD = [
    None,
    True,
    -1,
    0,
    1e308,
    float("nan"),
    float("inf"),
    2**70,
    "",
    "\x00",
    "1e999",
    "é" * 40,
    [],
    {},
    [[]],
    "9" * 5000,
]


TOGETHER = {".safetensors": ".json", ".json": ".safetensors"}  # files that are read together


def read_and_use_map(path: Path) -> None:
    """A map, and the context of a small region on it."""
    layers = zd.read_map(path)
    west, south, east, north = layers.extent
    zd.build_uec(layers, zd.Region.from_bbox((west, south, min(east, west + 0.01), min(north, south + 0.01))))


def read_people(path: Path) -> None:
    """A population raster."""
    region = zd.Region.from_bbox(BOX)
    read_residents(path, region, np.ones(region.shape))


def read_checkpoint(path: Path) -> None:
    """Weights or their JSON."""
    zd.load_model(path.with_suffix(".safetensors"), device="cpu")


# Beginning of a file's name -> its reader.
READERS: dict[str, Callable[[Path], object]] = {
    "map": read_and_use_map,
    "population": read_people,
    "measurements": zd.read_measurements,
    "nanchang": read_nanchang,
    "nanjing": read_nanjing,
    "milan": read_milan_raw,
    "checkpoint": read_checkpoint,
    "netcdf": read_netcdf,
    "region": zd.Region.from_geojson,
    "scenario": read_scenario,
    "reproduce": read_reproduce,
    "week": read_geojson,
}


def make_corpus(folder: Path) -> None:
    """A small valid file of every kind."""
    uec = zd.build_uec(zd.read_map("helsinki"), zd.Region.from_bbox(BOX))
    shutil.copy(helsinki(), folder / "map.osm.pbf")
    square = shapely.box(*BOX)
    tags = {"building": ["yes", "office"], "building:levels": ["3", None], "height": [None, "12 m"], "highway": None}
    frame = gpd.GeoDataFrame(tags, geometry=[square, square.buffer(0.001)], crs=4326)
    for ending in ("geojson", "fgb", "gpkg"):
        frame.to_file(folder / f"map.{ending}", engine="pyogrio")
    frame.to_parquet(folder / "map.parquet")
    with rasterio.open(
        *(folder / "population.tif", "w"),
        **{"driver": "GTiff", "width": 20, "height": 20, "count": 1, "dtype": "float32", "crs": "EPSG:4326"},
        transform=rasterio.transform.from_origin(24.93, 60.18, 0.001, 0.001),
    ) as raster:
        raster.write(np.ones((1, 20, 20), np.float32))
    (folder / "measurements.csv").write_text(
        "time,site,lon,lat,bytes\n" + "".join(f"2025-03-03 {h:02}:00,A,24.943,60.168,{h}e6\n" for h in range(24))
    )
    half_hours, poi = np.ones((2, 399, 4, 4), np.float32), np.ones((2, 23, 4, 4), np.float32)
    split = np.zeros(2, int)
    np.savez(folder / "nanchang.npz", traffic=half_hours, user=half_hours, poi=poi, split=split, minutes=30)
    np.save(folder / "nanjing.npy", np.ones((504, 560, 1), np.float16))
    (folder / "milan.txt").write_text(
        "".join(
            f"{square}\t{1383260400000 + 600_000 * step}\t39\t\t\t\t\t0.5\n" for step in range(9) for square in (1, 2)
        )
    )
    model = zd.load_model()
    save_model(DRDM(new_network(channels=8, blocks=1), model.prior), folder / "checkpoint.safetensors")
    week = zd.generate(model, uec, seed=1, sampling=zd.Sampling(steps=1))
    for path in week.save(folder / "made", ["geojson", "reproduce"]):
        if path.stem in ("bs", "reproduce"):
            shutil.copy(path, folder / ("reproduce.json" if path.suffix == ".json" else "week.geojson"))
    shutil.copy(folder / "week.geojson", folder / "measurements.geojson")
    shutil.rmtree(folder / "made")
    write_netcdf(uec, folder / "netcdf.nc")
    (folder / "region.geojson").write_text(shapely.to_geojson(square))
    edit = {"type": "Feature", "properties": {"edit": "park"}, "geometry": shapely.geometry.mapping(square)}
    (folder / "scenario.json").write_text(json.dumps({"type": "FeatureCollection", "features": [edit]}))


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Bytes changed, cut out, doubled or moved."""
    data = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        at, size = chance.randrange(len(data) + 1), chance.choice([1, 2, 4, 8, 64, 500])
        match chance.randrange(5):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                data[at : at + size] = chance.choice([b"\xff", b"\x00", b"\x7f"]) * size
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = data[at : at + size]
            case 4 if chance.random() < 0.2:
                del data[at:]
    return bytes(data)


def damaged_json(text: bytes, chance: random.Random) -> bytes:
    """One value or key replaced, removed or repeated."""
    root = json.loads(text)
    node = root
    while True:
        keys = list(node) if isinstance(node, dict) else range(len(node))
        if not keys:
            break
        key = chance.choice(list(keys))
        if isinstance(node[key], dict | list) and chance.random() < 0.85:
            node = node[key]
            continue
        match chance.randrange(4):
            case 0:
                del node[key]
            case 1 if isinstance(node, dict):
                node[chance.choice(["", "type", "crs", "é", key * 2])] = node.pop(key)
            case _:
                node[key] = chance.choice(AWKWARD)
        break
    return json.dumps(root).encode()


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of the fields of a protobuf message that are numbers or bytes."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = varint()
        value: int | bytes = varint()
        if tag & 7 == 2:
            size = int(value)
            value, at = data[at : at + size], at + size
        yield tag >> 3, value


def message(*pairs: tuple[int, int | bytes]) -> bytes:
    """A protobuf message of these fields."""

    def varint(value: int) -> bytes:
        out = bytearray()
        while value > 127:
            out.append(value & 127 | 128)
            value >>= 7
        return bytes([*out, value])

    return b"".join(
        varint(number << 3 | 2) + varint(len(value)) + value
        if isinstance(value, bytes)
        else varint(number << 3) + varint(value)
        for number, value in pairs
    )


def damaged_pbf(data: bytes, chance: random.Random) -> bytes:
    """The content of one block of an .osm.pbf unpacked, damaged and packed again (format: wiki.osm.org/PBF_Format)."""
    blocks, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        header = dict(fields(data[at + 4 : at + 4 + size]))
        at += 4 + size
        blob = dict(fields(data[at : at + int(header[3])]))
        at += int(header[3])
        blocks.append((bytes(header[1]), zlib.decompress(bytes(blob[3]))))
    number = chance.randrange(len(blocks))
    kind, content = blocks[number]
    blocks[number] = kind, damaged(content, chance)
    out = b""
    for kind, content in blocks:
        blob = message((2, len(content)), (3, zlib.compress(content)))
        header = message((1, kind), (3, len(blob)))
        out += len(header).to_bytes(4, "big") + header + blob
    return out


def trial(path: Path, folder: Path, chance: random.Random) -> Path:
    """A damaged copy of a file; beside it a whole copy of the one that belongs to it."""
    other = path.with_suffix(TOGETHER.get(path.suffix, path.suffix))
    if other.exists():
        shutil.copy(other, folder)
    data = path.read_bytes()
    way = damaged
    if path.suffix in (".json", ".geojson") and chance.random() < 0.7:
        way = damaged_json
    if path.suffix == ".pbf" and chance.random() < 0.8:
        way = damaged_pbf
    try:
        data = way(data, chance)
    except (ValueError, LookupError, TypeError, RecursionError, zlib.error):  # of a corpus that is damaged already
        data = damaged(data, chance)
    made = folder / path.name
    made.write_bytes(data)
    return made


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How long, with what, and where to keep what is found."""
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--inputs", type=int, default=10**9, help="end after so many, too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--corpus", type=Path, help="folder of further files; the name of each, or its folder's, says which reader"
    )
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"), help="folder for the inputs that fail")
    parser.add_argument("--only", choices=READERS, help="only this reader")


def main(options: argparse.Namespace) -> None:
    """Try until the time is over, and print the counts."""
    chance = random.Random(options.seed)
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    failures = slowest = largest = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        corpus, scratch = Path(temporary, "corpus"), Path(temporary, "trial")
        corpus.mkdir()
        scratch.mkdir()
        make_corpus(corpus)
        files = [(kind, path) for path in sorted(corpus.iterdir()) for kind in READERS if path.name.startswith(kind)]
        for path in sorted(options.corpus.rglob("*")) if options.corpus else []:
            kinds = [kind for kind in READERS if path.name.startswith(kind) or path.parent.name.startswith(kind)]
            files += [(kind, path) for kind in kinds[:1] if path.is_file() and path.stat().st_size]
        files = [(kind, path) for kind, path in files if options.only in (None, kind)]
        end = time.monotonic() + 60 * options.minutes
        while time.monotonic() < end and sum(counts.values()) < options.inputs:
            kind, path = chance.choice(files)
            made = trial(path, scratch, chance)
            started, what, memory = time.monotonic(), "", Largest()
            with memory.watching():
                try:
                    READERS[kind](made)
                    result = "read"
                except ZoomDiffError:
                    result = "one sentence"
                except Exception as error:
                    result, what = type(error).__name__, traceback.format_exc()
            seconds = time.monotonic() - started
            slowest, largest = max(slowest, seconds), max(largest, memory.gigabytes)
            if seconds > HANG:
                result, what = "hang", f"{seconds:.1f} s"
            if memory.gigabytes > MOST_GB:
                result, what = "large", f"{memory.gigabytes:.1f} GB"
            counts[kind, result] += 1
            if what:
                failures += 1
                kept = options.found / f"{kind}-{sum(counts.values())}"
                kept.mkdir(parents=True, exist_ok=True)
                shutil.copy(made, kept)
                (kept / "WHAT").write_text(what)
                print(f"{kind}: {result}: {kept}", file=sys.stderr)
            for file in scratch.iterdir():
                file.unlink()
    readers = {kind: {result: n for (of, result), n in sorted(counts.items()) if of == kind} for kind in READERS}
    print(
        json.dumps(
            {
                "machine": cpu_name(),
                "inputs": sum(counts.values()),
                "failures": int(failures),
                "slowest, s": round(slowest, 1),
                "largest process, GB": round(largest, 2),
                "readers": {kind: each for kind, each in readers.items() if each},
            },
            indent=2,
        )
    )
    sys.exit(1 if failures else 0)
