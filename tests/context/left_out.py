"""Values of tags without a class that are left out on purpose, {key: values}; test_classes.py counts all others.

They mean no building, no line of traffic, no ground that differs from its surroundings, no place with visitors.
"""

from zoomdiff.context.classes import NOT_BUILDINGS


def _known(values: dict[str, str]) -> dict[str, frozenset[str]]:
    return {key: frozenset(words.split()) for key, words in values.items()}


BUILDING = _known({"building": " ".join(("yes", *NOT_BUILDINGS))})  # "yes": a building of unknown type
ROAD = _known(
    {
        # Ways in buildings, ways that are no longer or not yet there, and places to wait. "trail" is not in the wiki:
        # 1.4 of the 93 km of the embedded map, which the shipped weights were trained without.
        "highway": "trail corridor elevator escape platform bus_stop rest_area services crossing raceway razed "
        "abandoned disused construction proposed planned no"
    }
)
RAIL = _known(
    {"railway": "abandoned disused razed construction proposed platform station platform_edge roundhouse turntable"}
)
AREA = _known(
    {
        "landuse": "construction brownfield greenfield garages lane lanes steps cycleway road bus_stop lane;parking",
        "leisure": "swimming_pool fitness_station bandstand outdoor_seating slipway picnic_table bbq",
        "natural": "stone tree tree_row cliff peak spring cave_entrance coastline",
        "amenity": "parking parking_space bicycle_parking motorcycle_parking swimming_pool fountain toilets shelter "
        "bandstand car_wash charging_station recycling scout_hut gym watering_place disused_parking",
        "aeroway": "helipad",
        "waterway": "river stream canal ditch drain weir dam",
    }
)
POI = _known(
    {
        "amenity": "bench vending_machine bicycle_parking bicycle_rental motorcycle_parking parking parking_entrance "
        "parking_exit parking_space waste_basket waste_disposal recycling post_box atm toilets telephone life_ring "
        "life_boat fountain drinking_water watering_place clock artwork charging_station grit_bin car_sharing shelter "
        "shower bbq photo_booth binoculars ashtray grave_yard bandstand tickets",
        "shop": "no vacant disused none",
        "office": "no vacant disused none",
        "tourism": "artwork information picnic_site yes",
        "leisure": "park garden pitch track common nature_reserve dog_park golf_course swimming_pool fitness_station "
        "slipway outdoor_seating bandstand picnic_table bbq recreation_ground",
        "railway": "rail tram subway light_rail switch signal railway_crossing level_crossing crossing stop milestone "
        "derail platform abandoned disused owner_change buffer_stop",
        "public_transport": "platform stop_position stop_area",
        "aeroway": "helipad aerodrome apron runway taxiway",
    }
)
