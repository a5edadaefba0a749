"""What the model knows about a place, drawn: one overlay and one legend per context layer."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pydeck as pdk
import shapely
from PIL import ImageColor
from zoomdiff.app import maps
from zoomdiff.app.colours import PEOPLE, Scale, class_legend, scale_legend

from zoomdiff.context import UEC, MapLayers
from zoomdiff.context.classes import AOI_CLASSES, AOI_COLOURS, POI_CATEGORIES, POI_COLOURS, ROAD_CLASSES
from zoomdiff.context.uec import STRUCTURE

OPACITY = 0.75
HOUSE, ROAD = "#a8623c", "#2f6f9f"
ROAD_FULL = 8.0  # metres of road per metre of cell side at which the road colour is full


@dataclass(frozen=True)
class Overlay:
    """A context layer as the sidebar offers it."""

    words: str
    draw: Callable[[MapLayers, UEC, range], pdk.Layer]  # the hours of the week that the map shows
    legend: Callable[[UEC], str]


def _house_and_road(layers: MapLayers, uec: UEC, hours: range) -> pdk.Layer:
    cover = uec.structure[STRUCTURE.index("building_cover")]
    roads = uec.structure[[STRUCTURE.index(name) for name in ROAD_CLASSES]].sum(0) / ROAD_FULL
    # The palette is a square of 15 covers x 17 road densities: entry 0 is "neither".
    house, road = np.meshgrid(np.arange(15) / 14, np.arange(17) / 16, indexing="ij")
    palette = np.zeros((256, 4), np.uint8)
    weight = house + road
    share = np.divide(house, weight, out=np.zeros_like(house), where=weight > 0)[..., None]
    colours = share * ImageColor.getrgb(HOUSE) + (1 - share) * np.array(ImageColor.getrgb(ROAD))
    palette[:255, :3] = colours.reshape(-1, 3)
    palette[:255, 3] = (np.maximum(house, road) * 255).reshape(-1)
    entries = np.round(np.clip(cover, 0, 1) * 14) * 17 + np.round(np.clip(roads, 0, 1) * 16)
    return maps.raster_layer("house-road", _inside(entries, uec), palette, uec.region, OPACITY)


def _house_and_road_legend(uec: UEC) -> str:
    return class_legend("Share of ground and length, per 50 m square", (("houses", HOUSE), ("roads", ROAD)))


def _use(layers: MapLayers, uec: UEC, hours: range) -> pdk.Layer:
    palette = np.zeros((256, 4), np.uint8)
    for name, colour in AOI_COLOURS.items():
        palette[AOI_CLASSES.index(name)] = *ImageColor.getrgb(colour), 255
    return maps.raster_layer("use", _inside(uec.aoi, uec), palette, uec.region, OPACITY)


def _use_legend(uec: UEC) -> str:
    there = [AOI_CLASSES[i] for i in np.unique(uec.aoi[uec.region.mask()])]
    return class_legend(
        "Main use, per 50 m square", [(name, AOI_COLOURS[name]) for name in there if name in AOI_COLOURS]
    )


def _places(layers: MapLayers, uec: UEC, hours: range) -> pdk.Layer:
    west, south, east, north = uec.region.bounds
    pois = layers.pois.cx[west:east, south:north]
    lonlat = np.stack([pois.geometry.x, pois.geometry.y], -1)
    blocks = shapely.union_all(shapely.polygons(maps.cell_rings(uec.region, 0)))
    inside = shapely.contains_xy(blocks, lonlat)
    colours = [list(ImageColor.getrgb(POI_COLOURS[name])) for name in pois.category[inside]]
    return maps.point_layer("places", lonlat[inside], colours)


def _places_legend(uec: UEC) -> str:
    there = [name for name, counts in zip(POI_CATEGORIES, uec.poi, strict=True) if counts.any()]
    return class_legend("Places that people visit", [(name, POI_COLOURS[name]) for name in there])


def _people(layers: MapLayers, uec: UEC, hours: range) -> pdk.Layer:
    entries = Scale.of(uec.population).entries(uec.population[hours.start : hours.stop].mean(0))
    return maps.raster_layer("people", _inside(entries, uec), PEOPLE, uec.region, OPACITY)


def _people_legend(uec: UEC) -> str:
    title = "People present per 50 m square, an estimate"
    return scale_legend(title, Scale.of(uec.population), PEOPLE, opacity=OPACITY, words=lambda people: f"{people:,.0f}")


def _inside(entries: np.ndarray, uec: UEC) -> np.ndarray:
    """Palette entries with everything outside the region transparent (entry 0)."""
    return (entries * uec.region.mask()).astype(np.uint8)


OVERLAYS = {
    "structure": Overlay("Houses and roads", _house_and_road, _house_and_road_legend),
    "aoi": Overlay("Use of the ground", _use, _use_legend),
    "poi": Overlay("Places of interest", _places, _places_legend),
    "population": Overlay("Population", _people, _people_legend),
}
