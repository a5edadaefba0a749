"""Reading maps: the embedded one, files that are not maps, boxes, and the tables of classes."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from zoomdiff.context import classes, osm, read_map
from zoomdiff.context.layers import classify
from zoomdiff.errors import MapError

CENTRE = (24.940, 60.168, 24.946, 60.171)


def test_the_embedded_map(helsinki):
    assert "Helsinki" in helsinki.name and "ODbL" in helsinki.licence and "OpenStreetMap" in helsinki.licence
    west, south, east, north = helsinki.extent
    assert 24.9 < west < east < 25.0 and 60.1 < south < north < 60.2
    assert len(helsinki.buildings) > 400 and len(helsinki.roads) > 1500 and len(helsinki.pois) > 1000
    assert len(helsinki.rails) > 100 and len(helsinki.areas) > 200
    for layer, column, allowed in [
        (helsinki.buildings, "aoi", classes.AOI_CLASSES),
        (helsinki.areas, "aoi", classes.AOI_CLASSES),
        (helsinki.roads, "road", classes.ROAD_CLASSES),
        (helsinki.pois, "category", classes.POI_CATEGORIES),
    ]:
        assert layer.crs == 4326 and set(layer[column]) <= set(allowed)
    assert set(helsinki.pois.geom_type) == {"Point"}
    assert helsinki.buildings.storeys.dropna().between(1, 20).all()
    assert "474 buildings" in repr(helsinki)


def test_the_main_station_is_a_building_although_a_relation_has_it(helsinki):
    station = helsinki.buildings[helsinki.buildings.aoi == "transport"].to_crs(32635)
    assert len(station) == 1 and station.area.item() > 5000


def test_the_bays_are_water(helsinki):
    water = helsinki.areas[helsinki.areas.aoi == "water"].union_all()
    assert water.contains(shapely.Point(24.9365, 60.1783))  # Töölönlahti, a lake by its tags
    assert water.contains(shapely.Point(24.9440, 60.1775))  # Kaisaniemenlahti, sea by its coastline
    assert not water.contains(shapely.Point(24.9414, 60.1719))  # the main station


def test_a_box_reads_what_lies_in_it(helsinki):
    part = read_map("helsinki", bbox=CENTRE)
    assert part.extent == pytest.approx(CENTRE)
    west, south, east, north = CENTRE
    inside = helsinki.pois.cx[west:east, south:north]
    assert len(part.pois.cx[west:east, south:north]) == len(inside) > 100


@pytest.mark.parametrize("bbox", [(1, 0, 0, 1), (0, 1, 1, 1), (0, 0, float("nan"), 1)])
def test_an_empty_box_is_refused(bbox):
    with pytest.raises(MapError, match="W < E"):
        read_map("helsinki", bbox=bbox)


def test_a_box_beside_the_map_is_refused():
    with pytest.raises(MapError, match="outside the map"):
        read_map("helsinki", bbox=(0, 0, 1, 1))


def test_what_is_not_there(tmp_path):
    with pytest.raises(MapError, match=r"no map file .*gone\.osm\.pbf"):
        read_map(tmp_path / "gone.osm.pbf")
    with pytest.raises(MapError, match="no map atlantis"):
        read_map("atlantis")
    with pytest.raises(MapError, match=r"no buildings\.parquet"):
        read_map(tmp_path)


def test_what_is_not_a_map(tmp_path):
    page = tmp_path / "map.html"
    page.write_text("<html>")
    with pytest.raises(MapError, match="not a kind of map"):
        read_map(page)


@pytest.mark.parametrize("keep", [0, 10, 300, 5000, 0.5, 0.99], ids=str)
def test_a_broken_pbf_is_refused(tmp_path, keep):
    whole = osm.helsinki().read_bytes()
    broken = tmp_path / "broken.osm.pbf"
    broken.write_bytes(whole[: int(keep * len(whole)) if keep < 1 else keep])
    with pytest.raises(MapError, match="not a complete OpenStreetMap PBF"):
        read_map(broken)


def test_another_file_under_the_name_of_a_pbf_is_refused(tmp_path):
    page = tmp_path / "page.osm.pbf"
    page.write_text("<html>404 not found</html>" * 100)
    with pytest.raises(MapError, match="not a complete OpenStreetMap PBF"):
        read_map(page)


def write_folder(folder, **layers):
    for name, layer in layers.items():
        layer.to_parquet(folder / f"{name}.parquet")


def tagged(geometries, **tags) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(tags, geometry=geometries, crs=4326)


def test_a_folder_of_layers(tmp_path):
    box = shapely.box(11, 43, 11.01, 43.01)
    line = shapely.LineString([(11, 43), (11.01, 43.01)])
    write_folder(
        tmp_path,
        buildings=tagged(
            [box] * 5,
            building=["yes", "house", "roof", "church", "yes"],
            height=["12.8 m", None, "5", None, None],
            layer=[None, None, None, None, "-1"],
        ),
        roads=tagged([line] * 4, highway=["trunk", "footway", "primary", "razed"], tunnel=[None, "no", "yes", None]),
        transit=tagged([line] * 3, railway=["tram", "disused", "rail"], layer=[None, None, "-1"]),
        pois=tagged([box.centroid] * 4, amenity=["cafe", "bench", None, None], shop=[None, None, "tea", "vacant"]),
    )
    layers = read_map(tmp_path)
    assert layers.extent == (11, 43, 11.01, 43.01)
    assert layers.buildings.aoi.tolist() == ["unknown", "residential", "commercial"]
    assert layers.buildings.storeys.fillna(-1).tolist() == [4, 2, 1]
    assert layers.roads.road.tolist() == ["motorway", "path"]
    assert len(layers.rails) == 1
    assert layers.pois.category.tolist() == ["food", "shop"]
    assert layers.areas.empty and "aoi" in layers.areas


def test_empty_layers_have_their_columns(tmp_path):
    nothing = gpd.GeoDataFrame(geometry=[], crs=4326)
    road = tagged([shapely.LineString([(11, 43), (11.01, 43.01)])], highway=["primary"])
    write_folder(tmp_path, buildings=nothing, roads=road)
    layers = read_map(tmp_path)
    assert list(layers.buildings.columns) == ["aoi", "storeys", "geometry"]
    assert list(layers.pois.columns) == ["category", "geometry"]
    assert list(layers.areas.columns) == ["aoi", "geometry"]
    assert layers.buildings.empty and layers.pois.empty and layers.areas.empty and layers.rails.empty


def test_a_folder_with_nothing_or_with_rubbish(tmp_path):
    nothing = gpd.GeoDataFrame(geometry=[], crs=4326)
    write_folder(tmp_path, buildings=nothing, roads=nothing)
    with pytest.raises(MapError, match="has nothing"):
        read_map(tmp_path)
    (tmp_path / "roads.parquet").write_bytes(b"not parquet")
    with pytest.raises(MapError, match=r"roads\.parquet is not a readable GeoParquet"):
        read_map(tmp_path)


def test_classify_takes_the_first_tag_that_has_a_class():
    frame = pd.DataFrame({"shop": ["tea", "vacant", None, None], "amenity": [None, None, "cafe", "bench"]})
    assert classify(frame, classes.POI_OF_TAG).tolist() == ["shop", None, "food", None]


def test_tables_name_only_known_classes():
    for table in classes.AOI_OF_TAG.values():
        assert set(table.values()) <= set(classes.AOI_CLASSES)
    for table in classes.POI_OF_TAG.values():
        assert set(table.values()) <= set(classes.POI_CATEGORIES)
    assert set(classes.ROAD_OF_HIGHWAY.values()) == set(classes.ROAD_CLASSES)
    assert set(classes.POI_AOI) == set(classes.POI_CATEGORIES)
    assert len(classes.AOI_CLASSES) == 12 and np.unique(classes.AOI_CLASSES).size == 12


def test_a_map_without_some_layers_reads_without_a_warning(recwarn):
    read_map("helsinki", bbox=(24.9360, 60.1760, 24.9362, 60.1762))
    with pytest.raises(MapError):
        read_map("helsinki", bbox=(0, 0, 1, 1))
    assert not [str(w.message) for w in recwarn if "for given area" in str(w.message)]
