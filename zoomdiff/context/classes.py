"""The classes of the urban context, and which OpenStreetMap tags mean which. Tables only: edit them freely.

Tag meanings follow the OpenStreetMap wiki (Map features). A value that stands in no table means nothing to us and is
left out. The order of AOI_CLASSES and POI_CATEGORIES is the order of the network's inputs: append, never reorder.
"""

AOI_CLASSES = (
    "unknown",
    "residential",
    "commercial",
    "office",
    "industrial",
    "education",
    "health",
    "transport",
    "green",
    "water",
    "farmland",  # also bare ground: sand, scree, rock
    "mixed",
)
AOI_INDEX = {name: i for i, name in enumerate(AOI_CLASSES)}
AOI_COLOURS = {  # on maps; "unknown" stays blank
    "residential": "#e3b34d",
    "commercial": "#d1495b",
    "office": "#5e6fb8",
    "industrial": "#7d6b8a",
    "education": "#3f9c9c",
    "health": "#e58fb0",
    "transport": "#6e7278",
    "green": "#7fb069",
    "water": "#6fb1dc",
    "farmland": "#cfc48a",
    "mixed": "#a4703f",
}

POI_CATEGORIES = (
    "food",
    "shop",
    "office",
    "education",
    "health",
    "transport",
    "leisure",
    "tourism",
    "public service",
    "finance",
)
POI_COLOURS = {
    "food": "#d1495b",
    "shop": "#e08e2b",
    "office": "#5e6fb8",
    "education": "#3f9c9c",
    "health": "#e58fb0",
    "transport": "#6e7278",
    "leisure": "#8f5bb0",
    "tourism": "#2f7d4f",
    "public service": "#a4703f",
    "finance": "#c2a700",
}

# What kind of place a point of interest makes of its surroundings.
POI_AOI = {
    "food": "commercial",
    "shop": "commercial",
    "office": "office",
    "education": "education",
    "health": "health",
    "transport": "transport",
    "leisure": "commercial",
    "tourism": "commercial",
    "public service": "office",
    "finance": "office",
}

ROAD_CLASSES = ("motorway", "primary", "secondary", "local", "path")
ROAD_OF_HIGHWAY = {
    "motorway": "motorway",
    "motorway_link": "motorway",
    "trunk": "motorway",
    "trunk_link": "motorway",
    "primary": "primary",
    "primary_link": "primary",
    "secondary": "secondary",
    "secondary_link": "secondary",
    "tertiary": "secondary",
    "tertiary_link": "secondary",
    "residential": "local",
    "unclassified": "local",
    "living_street": "local",
    "service": "local",
    "road": "local",
    "pedestrian": "path",
    "footway": "path",
    "path": "path",
    "cycleway": "path",
    "steps": "path",
    "track": "path",
    "bridleway": "path",
}
RAILWAYS = ("rail", "light_rail", "subway", "tram", "narrow_gauge", "monorail", "funicular")

# Values of `building` under which nobody is indoors, or that are not a building of today.
NOT_BUILDINGS = ("no", "roof", "entrance", "ruins", "construction", "collapsed", "wall", "bridge", "canopy", "carport")


def _table(classes: dict) -> dict:
    """{class: "value value ..."} -> {value: class}; easier to read and edit than the flat form."""
    return {value: name for name, values in classes.items() for value in values.split()}


BUILDING_AOI = _table(
    {
        "residential": "apartments residential house detached semidetached_house terrace bungalow dormitory cabin farm "
        "block villa garage garages shed hut static_caravan houseboat allotment_house",
        "commercial": "commercial retail supermarket kiosk hotel shop mall store restaurant cinema theatre pavilion "
        "sports_hall sports_centre stadium grandstand museum church cathedral chapel mosque temple synagogue",
        "office": "office civic public government townhall fire_station police bank",
        "industrial": "industrial warehouse factory manufacture utility service hangar works storage_tank silo "
        "transformer_tower",
        "education": "school university college kindergarten library",
        "health": "hospital clinic",
        "transport": "train_station transportation railway station terminal parking bus_station",
        "farmland": "barn stable greenhouse glasshouse greenhouse_horticulture farm_auxiliary cowshed sty",
    }
)

# Tags of buildings and of grounds, in the order in which they are asked: the first that is in its table decides.
# "*" stands for every other value, except those of NOT_A_VALUE.
AOI_OF_TAG = {
    "building": BUILDING_AOI,
    "amenity": _table(
        {
            "education": "school university college kindergarten library preschool childcare research_institute",
            "health": "hospital clinic doctors nursing_home social_facility",
            "commercial": "marketplace restaurant cafe pub bar fast_food cinema theatre arts_centre casino "
            "conference_centre events_venue exhibition_centre place_of_worship nightclub fuel",
            "office": "townhall courthouse police fire_station public_building bank post_office community_centre "
            "embassy prison",
            "transport": "bus_station ferry_terminal",
            "green": "grave_yard",
        }
    ),
    "shop": {"*": "commercial"},
    "office": {"*": "office"},
    "healthcare": {"*": "health"},
    "tourism": _table(
        {"commercial": "hotel hostel motel museum gallery theme_park zoo attraction", "green": "camp_site caravan_site"}
    ),
    "aeroway": _table({"transport": "aerodrome terminal apron runway taxiway hangar"}),
    "railway": _table({"transport": "station platform"}),
    "leisure": _table(
        {
            "green": "park garden pitch playground golf_course nature_reserve common dog_park recreation_ground track "
            "miniature_golf",
            "commercial": "sports_centre stadium fitness_centre sports_hall water_park ice_rink",
            "water": "marina",
        }
    ),
    "landuse": _table(
        {
            "residential": "residential",
            "commercial": "retail commercial",
            "office": "civil civic_admin institutional government military religious",
            "industrial": "industrial quarry landfill port depot",
            "education": "education",
            "health": "healthcare",
            "transport": "railway",
            "green": "grass forest park recreation_ground village_green cemetery greenery flowerbed allotments",
            "water": "basin reservoir pond salt_pond",
            "farmland": "farmland farm farmyard meadow orchard vineyard plant_nursery greenhouse_horticulture",
        }
    ),
    "natural": _table(
        {
            "water": "water bay strait",
            "green": "wood scrub grassland heath wetland fell tundra",
            "farmland": "sand beach shingle scree bare_rock glacier mud",
        }
    ),
    "waterway": _table({"water": "riverbank dock"}),
}

# Points of interest with visitors. Street furniture (benches, bins, racks, machines, artwork) is not among them.
POI_OF_TAG = {
    "amenity": _table(
        {
            "food": "restaurant cafe bar pub fast_food food_court ice_cream biergarten",
            "shop": "marketplace",
            "education": "school university college kindergarten preschool childcare language_school music_school "
            "driving_school research_institute",
            "health": "hospital clinic doctors dentist pharmacy veterinary nursing_home social_facility",
            "transport": "bus_station ferry_terminal fuel car_rental car_wash taxi",
            "leisure": "cinema theatre nightclub casino arts_centre events_venue gym stripclub swimming_pool gambling "
            "conference_centre",
            "public service": "townhall courthouse police fire_station post_office library community_centre "
            "public_building embassy place_of_worship social_centre prison",
            "finance": "bank bureau_de_change money_transfer",
        }
    ),
    "shop": {"*": "shop"},
    "office": {"insurance": "finance", "financial": "finance", "*": "office"},
    "healthcare": {"*": "health"},
    "craft": {"*": "shop"},
    "tourism": _table(
        {
            "tourism": "hotel hostel motel guest_house apartment bed_and_breakfast chalet alpine_hut museum gallery "
            "art_gallery attraction theme_park zoo aquarium viewpoint camp_site caravan_site"
        }
    ),
    "leisure": _table(
        {
            "leisure": "sports_centre stadium fitness_centre sports_hall water_park ice_rink dance bowling_alley "
            "miniature_golf amusement_arcade marina playground"
        }
    ),
    "railway": _table({"transport": "station halt tram_stop subway_entrance"}),
    "public_transport": _table({"transport": "station"}),
    "aeroway": _table({"transport": "terminal"}),
}
NOT_A_VALUE = ("no", "vacant", "disused", "none")  # tag values that deny their key, whatever a "*" says

# Usual storeys by `building`, where the map gives neither levels nor height. Types that are not listed depend on how
# densely their surroundings are built: see uec.guess_buildings.
STOREYS_OF_BUILDING = _table(
    {
        1.0: "garage garages shed hut cabin kiosk static_caravan allotment_house pavilion barn stable greenhouse "
        "glasshouse greenhouse_horticulture farm_auxiliary hangar warehouse supermarket service utility church chapel "
        "mosque sports_hall",
        2.0: "house detached semidetached_house bungalow terrace villa farm industrial retail school kindergarten "
        "train_station stadium cathedral",
        4.0: "hospital university college",
    }
)
METRES_PER_STOREY = 3.2
