"""One map in many formats: what is read is the same, and files that are no maps get one clear sentence."""

import warnings
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from whole_maps import whole

from zoomdiff.context import UEC, build_uec, osm, read_map
from zoomdiff.context.layers import LAYERS, MapLayers
from zoomdiff.context.tagged import KEYS, Tagged
from zoomdiff.errors import MapError
from zoomdiff.region import Region

CITY = Region.from_bbox((24.9362, 60.1660, 24.9520, 60.1780))
KINDS = (*LAYERS, "coastlines")
SQUARE = shapely.box(11, 43, 11.01, 43.01)
BOW_TIE = shapely.Polygon([(11, 43), (11.01, 43.01), (11.01, 43), (11, 43.01)])


@pytest.fixture(scope="module")
def tagged() -> Tagged:
    return whole(osm.stream(osm.helsinki(), CITY.bounds))


class Read(NamedTuple):
    layers: MapLayers
    uec: UEC


@pytest.fixture(scope="module")
def original() -> Read:
    layers = read_map("helsinki", bbox=CITY.bounds)
    return Read(layers, build_uec(layers, CITY))


def keys_only(layer: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    return layer[[*(key for key in KEYS if key in layer), "geometry"]]


@pytest.fixture(scope="module")
def as_folder(tagged, tmp_path_factory) -> Read:
    """The same map, read from a file per layer."""
    layers = read_map(write_folder(tagged, tmp_path_factory.mktemp("layers"), "parquet"), bbox=CITY.bounds)
    return Read(layers, build_uec(layers, CITY))


@pytest.fixture(scope="module")
def mixed(tagged) -> gpd.GeoDataFrame:
    """All features of a map in one table, each once, as other tools export them."""
    layers = [getattr(tagged, kind) for kind in KINDS]
    rows = pd.concat([layer[["id", "osm_type", *keys_only(layer)]] for layer in layers], ignore_index=True)
    rows["wkb"] = shapely.to_wkb(np.asarray(rows.geometry.array))
    once = rows.groupby(["osm_type", "id", "wkb"], as_index=False, dropna=False).first().drop(columns=["wkb", "id"])
    return gpd.GeoDataFrame(once, geometry="geometry", crs=4326)


def write_folder(tagged: Tagged, folder, suffix: str):
    for kind in KINDS:
        write(keys_only(getattr(tagged, kind)), folder / f"{kind}.{suffix}")
    return folder


def write(frame: gpd.GeoDataFrame, path) -> None:
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_file(path, engine="pyogrio")


def same(layers: MapLayers, original: Read, ties: float = 0, **tolerance) -> None:
    """As many features of each class in the region (a PBF is read with a margin), and the same context."""
    west, south, east, north = CITY.bounds
    for kind, column in zip(LAYERS, ("aoi", "road", None, "aoi", "category"), strict=True):
        ours, theirs = (getattr(one, kind).cx[west:east, south:north] for one in (layers, original.layers))
        assert len(ours) == len(theirs) > 0, kind
        if column:
            assert ours[column].value_counts().to_dict() == theirs[column].value_counts().to_dict()
    assert 0 < layers.repaired <= original.layers.repaired
    a, b = build_uec(layers, CITY), original.uec
    assert (a.aoi != b.aoi).mean() <= ties
    np.testing.assert_array_equal(a.poi, b.poi)
    np.testing.assert_allclose(a.structure, b.structure, **tolerance)
    np.testing.assert_allclose(a.population, b.population, **tolerance)


@pytest.mark.parametrize("suffix", ["parquet", "gpkg", "fgb", "geojson"])
def test_a_folder_of_layers_is_the_map_they_come_from(tagged, original, tmp_path, suffix):
    same(read_map(write_folder(tagged, tmp_path, suffix), bbox=CITY.bounds), original, rtol=1e-4, atol=1e-4)


def test_monaco_from_its_pbf_and_from_a_folder_is_the_same(shared_data, tmp_path):
    path = shared_data / "maps" / "monaco_2016_osrm.osm.pbf"
    region = Region.from_bbox((7.40, 43.725, 7.44, 43.75))
    folder = write_folder(whole(osm.stream(path)), tmp_path, "parquet")
    ours, theirs = (build_uec(read_map(source, bbox=region.bounds), region) for source in (folder, path))
    for name in ("structure", "aoi", "poi", "population"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert ours.notes == theirs.notes == () and ours.structure[0].sum() * 2500 > 500_000


@pytest.mark.parametrize("suffix", ["parquet", "gpkg", "fgb", "geojson"])
def test_a_file_that_mixes_all_features_is_the_map_they_come_from(mixed, as_folder, tmp_path, suffix):
    path = tmp_path / f"town.{suffix}"
    write(mixed, path)
    same(read_map(path, bbox=CITY.bounds), as_folder, rtol=1e-4, atol=1e-4)


def test_a_geopackage_of_layers_is_the_map_they_come_from(tagged, original, tmp_path):
    path = tmp_path / "town.gpkg"
    for kind in KINDS:
        name = "landuse" if kind == "areas" else kind  # as Protomaps calls it
        keys_only(getattr(tagged, kind)).to_file(path, layer=name, engine="pyogrio")
    same(read_map(path, bbox=CITY.bounds), original, rtol=1e-4, atol=1e-4)


def test_another_crs_is_the_same_map(mixed, as_folder, tmp_path):
    path = tmp_path / "town.gpkg"
    write(mixed.to_crs(3067), path)
    same(read_map(path, bbox=CITY.bounds), as_folder, ties=0.005, rtol=5e-3, atol=1e-3)  # a centimetre can decide a tie


def tags(geometries, crs=4326, **values) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(values, geometry=list(geometries), crs=crs)


def test_values_that_other_tools_write(tmp_path):
    path = tmp_path / "town.gpkg"
    street = shapely.LineString([(11, 43), (11.01, 43.01)])
    write(
        tags(
            [SQUARE, SQUARE, street, street, street],
            building=["yes", "house", "", "", None],
            building_levels=[3, 0, 0, 0, 0],
            highway=["", "", "primary", "secondary", "footway"],
            tunnel=["", "", "", "yes", "no"],
            area=["", "", "", "", "yes"],
            layer=[0, -1, 0, 0, 0],
        ),
        path,
    )
    layers = read_map(path)
    assert layers.buildings.storeys.tolist() == [3] and layers.roads.road.tolist() == ["primary"]
    assert len(layers.pois) == len(layers.areas) == len(layers.rails) == 0


def test_flags_that_are_true_or_false(tmp_path):
    path = tmp_path / "town.fgb"
    street = shapely.LineString([(11, 43), (11.01, 43.01)])
    write(tags([street, street], highway=["primary", "secondary"], tunnel=[True, False]), path)
    assert read_map(path).roads.road.tolist() == ["secondary"]


@pytest.mark.parametrize("name", ["town.gpkg", "town.fgb", "town.parquet"])
def test_no_crs(tmp_path, name):
    write(tags([SQUARE], crs=None, building=["yes"]), tmp_path / name)
    with pytest.raises(MapError, match=f"{name} has no coordinate reference system: set it"):
        read_map(tmp_path / name)


@pytest.mark.parametrize("name", ["town.gpkg", "town.fgb", "town.parquet", "town.geojson"])
@pytest.mark.parametrize("bbox", [None, (10.9, 42.9, 11.1, 43.1)])
def test_a_wrong_crs(tmp_path, name, bbox):
    metres = tags([SQUARE], building=["yes"]).to_crs(32632).set_crs(4326, allow_override=True)
    write(metres, tmp_path / name)
    with pytest.raises(MapError, match=f"{name} has coordinates off the earth"):
        read_map(tmp_path / name, bbox=bbox)


@pytest.mark.parametrize("name", ["town.gpkg", "town.fgb", "town.parquet", "town.geojson"])
def test_invalid_geometries_are_counted_and_repaired(tmp_path, name):
    nowhere = [] if name.endswith("fgb") else [None]  # FlatGeobuf has no features without a place
    shapes = [BOW_TIE, SQUARE, *nowhere]
    write(tags(shapes, building=["yes"] * len(shapes)), tmp_path / name)
    layers = read_map(tmp_path / name)
    assert layers.repaired == 1 and len(layers.buildings) == 2
    region = Region.from_bbox((11.0, 43.0, 11.01, 43.01))
    write(tags([shapely.make_valid(BOW_TIE), SQUARE], building=["yes"] * 2), tmp_path / f"good.{name}")
    good = read_map(tmp_path / f"good.{name}")
    assert good.repaired == 0
    np.testing.assert_allclose(build_uec(layers, region).structure[0], build_uec(good, region).structure[0], atol=1e-4)


def test_a_polygon_that_is_not_closed_is_closed(tmp_path):
    path = tmp_path / "town.geojson"
    write(tags([SQUARE, SQUARE], building=["yes", "yes"]), path)
    text = path.read_text()
    last = text.rindex("[ 11.01, 43.0 ]")
    path.write_text(text[:last].rstrip(", ") + text[last + len("[ 11.01, 43.0 ]") :])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layers = read_map(path)
    assert len(layers.buildings) == 2 and layers.buildings.geometry[1].equals(SQUARE)


@pytest.fixture(scope="module", params=["town.gpkg", "town.fgb", "town.geojson", "town.parquet"])
def small_file(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / request.param
    write(tags([SQUARE] * 50, building=["yes", "house"] * 25), path)
    return path.read_bytes(), path.with_name(f"damaged{path.suffix}")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=20))
def test_a_damaged_file_is_read_or_gets_one_sentence(small_file, damage):
    whole, path = small_file
    data = bytearray(whole)
    for place, byte in damage:
        data[int(place * len(data))] = byte
    path.write_bytes(data)
    try:
        read_map(path)
    except MapError as error:
        assert str(error).endswith(".")


@pytest.mark.parametrize("byte", [b"\x7f", b'"', b"0"])
def test_damaged_geo_metadata_get_one_sentence(tmp_path, byte):
    path = tmp_path / "town.parquet"
    write(tags([SQUARE] * 2, building=["yes", "house"]), path)
    table, refused = pyarrow.parquet.read_table(path), 0
    geo = table.schema.metadata[b"geo"]
    for place in range(0, len(geo), 67):
        damaged = {**table.schema.metadata, b"geo": geo[:place] + byte + geo[place + 1 :]}
        pyarrow.parquet.write_table(table.replace_schema_metadata(damaged), path)
        try:
            read_map(path)
        except MapError as error:
            assert str(error).endswith(".")
            refused += 1
    assert refused


def test_a_table_without_geometry(tmp_path):
    path = tmp_path / "town.parquet"
    pd.DataFrame({"building": ["yes"]}).to_parquet(path)
    with pytest.raises(MapError, match=r"town\.parquet is a table without a geometry column"):
        read_map(path)
    (tmp_path / "f").mkdir()
    for name in ("buildings", "roads"):
        pd.DataFrame({"building": ["yes"]}).to_parquet(tmp_path / "f" / f"{name}.parquet")
    with pytest.raises(MapError, match=r"buildings\.parquet is a table without a geometry column"):
        read_map(tmp_path / "f")


def test_a_map_without_tags(tmp_path):
    path = tmp_path / "town.fgb"
    write(tags([SQUARE], name=["a"]), path)
    with pytest.raises(MapError, match=r"town\.fgb has no column with an OpenStreetMap key"):
        read_map(path)


@pytest.mark.parametrize("name", ["town.gpkg", "town.fgb", "town.geojson", "town.parquet"])
@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.95])
def test_a_truncated_file(tmp_path, name, keep):
    path = tmp_path / name
    write(tags([SQUARE] * 2000, building=["yes"] * 2000), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if keep < 1 else keep])
    with pytest.raises(MapError, match=r"is damaged|not a readable GeoParquet|has no column"):
        read_map(path)


@pytest.mark.parametrize("name", ["page.gpkg", "page.fgb", "page.geojson", "page.json", "page.parquet"])
def test_another_file_under_the_name_of_a_map(tmp_path, name):
    (tmp_path / name).write_text("<html>404 not found</html>" * 100)
    with pytest.raises(MapError, match=rf"{name} is (damaged|not a readable)"):
        read_map(tmp_path / name)


def test_a_huge_geojson_is_refused_at_once(tmp_path):
    path = tmp_path / "town.geojson"
    with path.open("wb") as file:
        file.truncate(413_000_000)  # a hole: it takes no space
    with pytest.raises(MapError, match=r"town\.geojson has 413 MB, more than the 300 MB .* ogr2ogr town\.fgb town"):
        read_map(path)


def test_a_vector_file_that_is_not_there(tmp_path):
    with pytest.raises(MapError, match=r"no map file .*gone\.gpkg"):
        read_map(tmp_path / "gone.gpkg")


def test_provenance(tmp_path, mixed, original):
    path = tmp_path / "town.fgb"
    write(mixed[:50], path)
    layers = read_map(path)
    assert layers.name == "town.fgb" and "ODbL" in layers.licence and layers.date is None
    assert original.layers.date == "2019-04"


def test_the_date_of_an_extract(shared_data):
    maps = shared_data / "maps"
    assert read_map(maps / "monaco_2016_osrm.osm.pbf", bbox=(7.41, 43.72, 7.42, 43.73)).date == "2016-03-05"
