"""Files whose suffix lies and names that are addresses: nothing connects, and no other file is read."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from zoomdiff import limits
from zoomdiff.checkpoint import load_model
from zoomdiff.context import UEC, build_uec, read_map
from zoomdiff.context.classes import POI_CATEGORIES
from zoomdiff.context.netcdf import read_netcdf
from zoomdiff.context.residents import read_residents
from zoomdiff.context.scenario import apply, read_scenario, touched
from zoomdiff.context.uec import STRUCTURE
from zoomdiff.errors import DataError, MapError, OptionError, ZoomDiffError
from zoomdiff.export.geojson import read_geojson
from zoomdiff.export.reproduce import read_reproduce
from zoomdiff.levels import HOURS_PER_WEEK
from zoomdiff.measured.read import read_measurements
from zoomdiff.realism.datasets import read_milan_raw, read_nanchang, read_nanjing
from zoomdiff.region import Region
from zoomdiff.training.config import read_config
from zoomdiff.training.splits import read_splits

HELSINKI = Region.from_bbox((24.940, 60.1665, 24.950, 60.1745))
SECRET = "24.945,60.17,top secret\n" * 20


class Listener:
    """A local server that answers nobody and counts who asks."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.socket.close()


def residents(path):
    return read_residents(path, HELSINKI, np.ones(HELSINKI.shape))


RASTERS = {
    "vrt_local.tif": '<VRTDataset rasterXSize="9" rasterYSize="9"><SRS>EPSG:4326</SRS><GeoTransform>24.9,.01,0,60.2,0,'
    '-.01</GeoTransform><VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand"><SourceFilename '
    'relativetoVRT="0">{secret}</SourceFilename><ImageOffset>0</ImageOffset><PixelOffset>1</PixelOffset><LineOffset>20'
    "</LineOffset></VRTRasterBand></VRTDataset>",
    "vrt_http.tif": '<VRTDataset rasterXSize="2" rasterYSize="2"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
    "<SourceFilename>/vsicurl/http://{address}/a.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>",
    "wms_http.tif": '<GDAL_WMS><Service name="TMS"><ServerUrl>http://{address}/{{z}}</ServerUrl></Service><DataWindow>'
    "<SizeX>256</SizeX><SizeY>256</SizeY></DataWindow><BandsCount>1</BandsCount></GDAL_WMS>",
}
VECTORS = {
    f"{name}{suffix}": text
    for suffix in (".geojson", ".json", ".fgb", ".gpkg")
    for name, text in {
        "vrt_local": '<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>{secret}</SrcDataSource></OGRVRTLayer>'
        "</OGRVRTDataSource>",
        "vrt_http": '<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>/vsicurl/http://{address}/a.geojson'
        "</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>",
        "wfs_http": "<OGRWFSDataSource><URL>http://{address}/wfs</URL></OGRWFSDataSource>",
        "gdalg": '{{"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline ! read {secret} ! write x"}}',
        # A header of the right kind, with another driver's text behind it.
        "both": "fgb\x03fgb\x01<OGRVRTDataSource><OGRVRTLayer name='secret'><SrcDataSource>{secret}</SrcDataSource>"
        "</OGRVRTLayer></OGRVRTDataSource>",
    }.items()
}


@pytest.mark.parametrize("name", [*RASTERS, *VECTORS])
def test_a_file_whose_suffix_lies_is_one_sentence(name, tmp_path, listener):
    secret = tmp_path / "secret.csv"
    secret.write_text(SECRET)
    path = tmp_path / name
    path.write_text((RASTERS | VECTORS)[name].format(secret=secret, address=listener.address), encoding="latin-1")
    with pytest.raises(ZoomDiffError) as caught:
        (residents if name in RASTERS else read_map)(path)
    assert name in str(caught.value) and "secret\n" not in str(caught.value)
    assert listener.connections == 0


ADDRESSES = (
    "http://{}/a.tif",
    "/vsicurl/http://{}/a.tif",
    "/vsicurl/http://{}/a.fgb",
    "/vsizip//vsicurl/http://{}/a.zip/a.geojson",
    "zip+http://{}/a.zip!a.tif",
    "GEOJSON:http://{}/a.geojson",
    "WFS:http://{}/wfs",
    "http://{}/a.nc#mode=bytes",
    "http://{}/a.parquet",
    "http://{}/a.csv",
    "s3://{}/a.parquet",
)


@pytest.mark.parametrize(
    "read", [read_map, residents, read_measurements, read_netcdf, read_geojson, read_reproduce, Region.from_geojson]
)
def test_a_name_that_is_an_address_is_no_file(read, listener):
    for address in ADDRESSES:
        with pytest.raises(ZoomDiffError):
            read(Path(address.format(listener.address)))
    assert listener.connections == 0


DEEP = "[" * 100_000
TEXTS = {
    "deep": DEEP,
    "deep in an object": '{"type":' + DEEP,
    "many digits": '{"type": ' + "9" * 5_000 + "}",
    "not UTF-8": b'{"type": "\xff"}',
    "nothing": "",
    "a list": "[]",
    "a number": "1",
    "infinite": '{"type": "Polygon", "coordinates": [[[Infinity, 0], [1, 1], [1, 0], [Infinity, 0]]]}',
    "a feature of nothing": '{"type": "Feature", "geometry": null}',
    "features of text": '{"type": "FeatureCollection", "features": "abc"}',
    "of another type": json.dumps({"type": ["Polygon"], "coordinates": {}}),
}


@pytest.mark.parametrize("read", [Region.from_geojson, read_scenario, read_measurements, read_geojson, read_reproduce])
@pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
def test_text_that_is_not_what_it_should_be_is_one_sentence(read, text, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ZoomDiffError):
        read(path)


PIPES = {
    "map.osm.pbf": read_map,
    "map.geojson": read_map,
    "map.parquet": read_map,
    "people.tif": residents,
    "traffic.csv": read_measurements,
    "region.geojson": Region.from_geojson,
    "scenario.geojson": read_scenario,
    "week.geojson": read_geojson,
    "reproduce.json": read_reproduce,
    "context.nc": read_netcdf,
    "weights.safetensors": load_model,
    "weeks.npz": read_nanchang,
    "week.npy": read_nanjing,
    "days.txt": read_milan_raw,
    "splits.json": read_splits,
    "train.toml": read_config,
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", PIPES)
def test_a_pipe_that_nobody_writes_to_is_one_sentence(name, tmp_path):
    os.mkfifo(tmp_path / name)
    if name == "weights.safetensors":
        (tmp_path / "weights.json").write_text("{}")
    with pytest.raises(ZoomDiffError, match=r"is a pipe or a device: save what comes from it as a file first\.$"):
        PIPES[name](tmp_path / name)


def test_an_outline_that_takes_minutes_is_one_sentence():
    """A zigzag crosses itself in a number of points that grows with the square of its corners."""
    teeth = [[24.9 + 0.00001 * n, 60.1 + 0.05 * (n % 2)] for n in range(20_000)]
    back = [[lon, 60.12 + 0.00001 * (n % 2)] for n, (lon, _) in enumerate(teeth[::-1])]
    text = json.dumps({"type": "Polygon", "coordinates": [[*teeth, *back, teeth[0]]]})
    with pytest.raises(ZoomDiffError, match=r"crosses itself|longer than"):
        Region.from_geojson(text)


def comb(teeth: int) -> list[list[float]]:
    """The corners of an outline with teeth to the north."""
    low = [[24.94 + 0.01 * n / teeth, 60.167 + 0.007 * (n % 2)] for n in range(2 * teeth)]
    return [*low, [24.98, 60.166], [24.94, 60.166], low[0]]


def crossed(teeth: int) -> list[list[float]]:
    """An outline that crosses itself in some `teeth` x `teeth` points."""
    along = [[24.94 + 0.01 * n / teeth, 60.167 + 0.007 * (n % 2)] for n in range(teeth)]
    across = [[24.94 + 0.01 * (n % 2), 60.167 + 0.007 * n / teeth] for n in range(teeth)]
    return [*along, *across, along[0]]


def collection(*features: tuple[list[list[float]], dict[str, object]]) -> str:
    """GeoJSON of outlines and their properties."""
    made = [
        {"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [outline]}}
        for outline, properties in features
    ]
    return json.dumps({"type": "FeatureCollection", "features": made})


@pytest.mark.parametrize("tags", [{"building": "yes"}, {"leisure": "park"}, {"shop": "mall"}])
def test_a_map_whose_outline_crosses_itself_too_often_is_one_sentence(tags, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "SECONDS", 0.5)
    (tmp_path / "map.geojson").write_text(collection((crossed(1000), tags)))
    with pytest.raises(MapError, match=r"^map\.geojson takes longer than 1 s: .*simplify its shapes\.$"):
        read_map(tmp_path / "map.geojson")


def test_a_map_whose_outline_crosses_itself_is_repaired_when_it_is_read(tmp_path):
    (tmp_path / "map.geojson").write_text(
        collection((crossed(20), {"building": "yes"}), (comb(500), {"building": "no"}))
    )
    layers = read_map(tmp_path / "map.geojson")
    assert layers.repaired == 1 and layers.buildings.is_valid.all()
    assert 0 < build_uec(layers, HELSINKI).structure[0].max() <= 1


def test_measurements_whose_outline_crosses_itself_too_often_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "SECONDS", 0.5)
    row = {"time": "2025-03-03 00:00", "bytes": 1}
    (tmp_path / "mine.geojson").write_text(collection((crossed(1000), row)))
    with pytest.raises(DataError, match=r"^mine\.geojson takes longer than 1 s: "):
        read_measurements(tmp_path / "mine.geojson")


@pytest.mark.parametrize("edit", [{"edit": "park"}, {"edit": "scale", "factor": 2}])
def test_a_scenario_whose_outlines_cross_each_other_too_often_is_one_sentence(edit, monkeypatch):
    monkeypatch.setattr(limits, "SECONDS_AFTER_READING", 0.5)
    turned = [[24.94 + (lat - 60.166), 60.166 + (lon - 24.94)] for lon, lat in comb(3000)]
    scenario = read_scenario(collection((comb(3000), edit), (turned, edit)))
    town = UEC(
        HELSINKI,
        structure=np.zeros((len(STRUCTURE), *HELSINKI.shape), np.float32),
        aoi=np.zeros(HELSINKI.shape, np.int8),
        poi=np.zeros((len(POI_CATEGORIES), *HELSINKI.shape), np.float32),
        population=np.zeros((HOURS_PER_WEEK, *HELSINKI.shape), np.float32),
        sources=(),
    )
    for work in (lambda: apply(town, scenario), lambda: touched(HELSINKI, scenario)):
        with pytest.raises(OptionError, match=r"^The scenario takes longer than 0 s: .*simplify its shapes\.$"):
            work()


def test_a_map_with_a_corner_off_the_earth_is_one_sentence(tmp_path):
    path = tmp_path / "map.geojson"
    ring = [[24.94, 60.16], [24.95, 60.16], [1e308, 60.17], [24.94, 60.16]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "properties": {"building": "yes"}, "geometry": shape}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    with pytest.raises(ZoomDiffError, match="off the earth"):
        read_map(path)


def test_every_hostile_file_is_one_sentence_or_harmless(shared_data):
    """Small inputs that once broke a reader, found by a fuzzer or made by hand."""
    readers = {
        "map": read_map,
        "fgb": read_map,
        "gdal": lambda path: (residents if path.suffix == ".tif" else read_map)(path),
        "measure": read_measurements,
        "netcdf": read_netcdf,
        "population": residents,
        "pop": residents,
        "region": Region.from_geojson,
        "reproduce": read_reproduce,
        "week": read_geojson,
    }
    tried = 0
    for path in sorted((shared_data / "hostile").rglob("*")):
        name = path.name if path.parent.name == "bombs" else path.parent.name
        read = next((read for key, read in readers.items() if name.startswith(key)), None)
        if read and path.is_file() and path.name not in ("WHAT", "README.md"):
            tried += 1
            with suppress(ZoomDiffError):
                read(path)
    assert tried > 20
