"""Overture Maps: its words as OpenStreetMap's tags, and its data from a local server in the place of Amazon's."""

import io
import json
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import urlopen

import geopandas as gpd
import pyarrow
import pyarrow.parquet
import pytest
import shapely
from overturemaps import core
from pyarrow.fs import S3FileSystem

from zoomdiff.context import cache, online, overture, read_map
from zoomdiff.context.classes import AOI_CLASSES
from zoomdiff.errors import MapError

BBOX = (11.001, 43.001, 11.009, 43.009)
SQUARE = shapely.box(11.002, 43.002, 11.004, 43.004)
LINE = shapely.LineString([(11, 43), (11.01, 43.01)])
POINT = shapely.Point(11.005, 43.005)
FAR = shapely.Point(12, 44)
RELEASE = "2026-01-21.0"
BUCKET = "overturemaps-us-west-2"


def frame(shape, rows: list[dict]) -> gpd.GeoDataFrame:
    shapes = [row.get("geometry", shape) for row in rows]
    columns = {
        key: [row.get(key) for row in rows] for key in {key: 0 for row in rows for key in row} if key != "geometry"
    }
    return gpd.GeoDataFrame({"id": [str(i) for i in range(len(rows))], **columns}, geometry=shapes, crs=4326)


def flags(*values: str, between=None) -> list[dict]:
    return [{"values": list(values), "between": between}]


BUILDINGS = frame(
    SQUARE,
    [
        {"class": "apartments", "subtype": "residential", "num_floors": 5, "height": 20.0},
        {"subtype": "medical", "height": 9.0},
        {"height": None},
        {"class": "bridge_structure"},
        {"class": "house", "is_underground": True},
    ],
)
SEGMENTS = frame(
    LINE,
    [
        {"subtype": "road", "class": "motorway"},
        {"subtype": "road", "class": "footway", "road_flags": flags("is_bridge")},
        {"subtype": "road", "class": "primary", "road_flags": flags("is_tunnel")},
        {"subtype": "road", "class": "primary", "road_flags": flags("is_tunnel", between=[0.0, 0.3])},
        {"subtype": "road", "class": "service", "road_flags": flags("is_abandoned")},
        {"subtype": "road", "class": "secondary", "level_rules": [{"value": -1, "between": None}]},
        {"subtype": "road", "class": "unknown"},
        {"subtype": "rail", "class": "standard_gauge"},
        {"subtype": "rail", "class": "subway", "rail_flags": flags("is_tunnel", "is_passenger")},
        {"subtype": "rail", "class": "tram", "rail_flags": flags("is_disused")},
        {"subtype": "water"},
    ],
)


def word(*hierarchy: str, **more) -> dict:
    return {"taxonomy": {"primary": hierarchy[-1], "hierarchy": list(hierarchy)}, **more}


PLACES = frame(
    POINT,
    [
        word("food_and_drink", "restaurant", "pizza_restaurant", basic_category="restaurant", confidence=0.9),
        word("shopping", "specialty_store", "key_store", basic_category="specialty_store", confidence=0.8),
        {"basic_category": "hospital", "confidence": 0.9},
        {"categories": {"primary": "train_station", "alternate": None}, "confidence": 0.7},
        word("shopping", "bookstore", confidence=0.2),
        word("shopping", "bookstore", operating_status="permanently_closed"),
        word("services_and_business", "financial_service", "atm", basic_category="atm"),
        word("geographic_entities", "peak", geometry=FAR),
    ],
)
LAND_USE = frame(
    SQUARE, [{"class": "residential", "subtype": "residential"}, {"class": "golf_course", "subtype": "golf"}]
)
WATER = frame(
    SQUARE, [{"class": "ocean", "subtype": "ocean"}, {"class": "stream", "subtype": "stream", "geometry": LINE}]
)
INFRASTRUCTURE = frame(SQUARE, [{"class": "runway", "subtype": "airport"}, {"class": "bench", "subtype": "pedestrian"}])
DATA = {
    "building": BUILDINGS,
    "segment": SEGMENTS,
    "place": PLACES,
    "land_use": LAND_USE,
    "water": WATER,
    "infrastructure": INFRASTRUCTURE,
    "land": frame(SQUARE, [{"class": "wood", "subtype": "forest"}]),
}


def check(layers) -> None:
    """What of DATA should come out."""
    assert layers.buildings.aoi.tolist() == ["residential", "health", "unknown"]
    assert layers.buildings.storeys.fillna(0).tolist() == [5, 3, 0]
    assert layers.roads.road.tolist() == ["motorway", "path", "primary"]
    assert len(layers.rails) == 1
    assert layers.areas.aoi.tolist() == ["residential", "green", "green", "water", "transport"]
    assert layers.pois.category.tolist() == ["food", "shop", "health", "transport"]
    assert "Overture Maps Foundation" in layers.licence and "CDLA" in layers.licence


def test_a_folder_of_its_files(tmp_path):
    for kind, features in DATA.items():
        features.to_parquet(tmp_path / f"{kind}.parquet")
    check(read_map(tmp_path))
    check(read_map(tmp_path, bbox=BBOX))


def test_a_folder_with_two_of_its_types(tmp_path):
    for kind in ("building", "segment"):
        DATA[kind].to_parquet(tmp_path / f"{kind}.parquet")
    layers = read_map(tmp_path)
    assert len(layers.buildings) == 3 and len(layers.pois) == len(layers.areas) == 0
    (tmp_path / "segment.parquet").write_bytes(b"not parquet")
    with pytest.raises(MapError, match=r"segment\.parquet is not a readable GeoParquet"):
        read_map(tmp_path)


def test_a_reference_system_of_no_place_on_earth_gets_one_sentence(tmp_path):
    local = 'ENGCRS["site",EDATUM["site"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'
    DATA["building"].set_crs(local, allow_override=True).to_parquet(tmp_path / "building.parquet")
    DATA["segment"].to_parquet(tmp_path / "segment.parquet")
    with pytest.raises(MapError, match=r"building\.parquet is damaged or no map"):
        read_map(tmp_path)


def test_recorded_features(shared_data):
    raw = gpd.read_parquet(shared_data / "maps" / "overture_buildings.parquet")
    found = overture.buildings(raw)
    assert len(found) == len(raw) == 100 and found.building.isin(["house", "semidetached_house", "yes"]).all()
    assert found.height.notna().sum() == raw.height.notna().sum() > 30 and found.layer.isna().all()
    lands = overture.lands(gpd.read_parquet(shared_data / "maps" / "overture_infrastructure.parquet"))
    assert sorted(lands.railway.dropna()) == ["platform", "platform", "station"]


@pytest.fixture
def amazon(site, cache_folder, monkeypatch):
    """A local bucket with one file per type, a catalogue, and an index; overturemaps and pyarrow are the real ones."""
    files = {}
    for kind, features in DATA.items():
        bounds = features.bounds.rename(columns={"minx": "xmin", "miny": "ymin", "maxx": "xmax", "maxy": "ymax"})
        table = pyarrow.parquet.read_table(to_bytes(features))
        boxes = pyarrow.StructArray.from_arrays([bounds[name].to_numpy() for name in bounds], names=list(bounds))
        file = io.BytesIO()
        pyarrow.parquet.write_table(table.append_column("bbox", boxes), file)
        theme = core.type_theme_map[kind]
        files[f"{BUCKET}/release/{RELEASE}/theme={theme}/type={kind}/part-0.parquet"] = file.getvalue()

    def answer(method: str, path: str) -> tuple[int, bytes]:
        parts = urlsplit(path)
        query, key = parse_qs(parts.query), unquote(parts.path).lstrip("/")
        if "prefix" in query:
            names = [name.removeprefix(f"{BUCKET}/") for name in files]
            found = [name for name in names if name.startswith(query["prefix"][0])]
            rows = "".join(
                f"<Contents><Key>{name}</Key><LastModified>2026-01-21T00:00:00.000Z</LastModified>"
                f"<Size>{len(files[f'{BUCKET}/{name}'])}</Size></Contents>"
                for name in found
            )
            head = f"<Name>{BUCKET}</Name><KeyCount>{len(found)}</KeyCount><IsTruncated>false</IsTruncated>"
            return 200, f'<?xml version="1.0"?><ListBucketResult>{head}{rows}</ListBucketResult>'.encode()
        return (200, files[key]) if key in files else (404, b"")

    files["catalog.json"] = json.dumps({"latest": RELEASE, "links": []}).encode()
    site.answer, site.files = answer, files
    host = site.url.removeprefix("http://")
    monkeypatch.setattr(core, "STAC_CATALOG_URL", f"{site.url}/catalog.json")
    monkeypatch.setattr(core, "urlopen", lambda url: urlopen(f"{site.url}/{urlsplit(url).path.lstrip('/')}"))
    monkeypatch.setattr(
        core.fs, "S3FileSystem", lambda **options: S3FileSystem(endpoint_override=host, scheme="http", **options)
    )
    monkeypatch.setattr(online, "PAUSE", 0.01)
    return site


def to_bytes(features: gpd.GeoDataFrame) -> io.BytesIO:
    file = io.BytesIO()
    features.to_parquet(file)
    return file


def test_a_region_is_downloaded_once(amazon, cache_folder):
    steps = []
    layers = read_map("overture", bbox=BBOX, on_progress=lambda what, share: steps.append(share))
    check(layers)
    assert RELEASE in layers.source and layers.date == "2026-01-21" and layers.extent == pytest.approx(BBOX)
    downloaded = [share for share in steps if share is not None]  # and not: read
    assert downloaded[0] == 0 and downloaded[-1] == 1 and downloaded == sorted(downloaded)
    (entry,) = (cache_folder / "overture").iterdir()
    assert len(gpd.read_parquet(entry / "place.parquet")) == len(PLACES) - 1  # the far one stayed where it was
    amazon.asked.clear()
    amazon.answer = lambda method, path: (500, b"")
    check(read_map("overture", bbox=(11.0015, 43.0015, 11.0085, 43.0085)))
    assert not amazon.asked


def test_the_index_finds_the_files(amazon):
    rows = [
        {
            "collection": kind,
            "type": "Feature",
            "bbox": {"xmin": 10.0, "ymin": 42.0, "xmax": 12.0, "ymax": 44.0},
            "assets": {"aws": {"alternate": {"s3": {"href": f"s3://{name}"}}}},
        }
        for name in amazon.files
        for kind in DATA
        if f"type={kind}/" in name
    ]
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    amazon.files[f"{RELEASE}/collections.parquet"] = file.getvalue()
    check(read_map("overture", bbox=BBOX))
    assert not [path for _, path in amazon.asked if "list-type" in path]  # nothing had to be looked for


@pytest.mark.parametrize("broken", ["catalog.json", "type=place"])
def test_a_download_that_fails_leaves_nothing(amazon, cache_folder, broken):
    for name in [name for name in amazon.files if broken in name]:
        amazon.files[name] = b"half a file"
    with pytest.raises(MapError, match="download from Overture Maps failed: try again later"):
        read_map("overture", bbox=BBOX)
    assert cache.find("overture", BBOX) is None and not list(cache_folder.rglob("*.parquet"))


def test_a_server_that_falls_silent(amazon, cache_folder, monkeypatch):
    monkeypatch.setattr(overture, "SILENCE", 0.2)
    monkeypatch.setattr(core, "record_batch_reader", lambda *args, **options: online.time.sleep(5))
    with pytest.raises(MapError, match="download from Overture Maps failed"):
        read_map("overture", bbox=BBOX)


def test_nothing_there(amazon):
    with pytest.raises(MapError, match="nothing in this region"):
        read_map("overture", bbox=(-30.0, 43.0, -29.99, 43.01))


def test_classes_are_ours(amazon):
    assert set(read_map("overture", bbox=BBOX).areas.aoi) <= set(AOI_CLASSES)
