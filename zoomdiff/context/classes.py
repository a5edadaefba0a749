"""The classes of the urban context, and which tags of OpenStreetMap and words of Overture Maps mean which.

Tables only: edit them freely. Overture's words are put into OpenStreetMap's tags, so that these decide in one place.

Tag meanings follow the OpenStreetMap wiki (Map features). A value that is in no table is left out;
tests/context/left_out.py lists those that are left out on purpose. The order of AOI_CLASSES and POI_CATEGORIES is the
order of the network's inputs: append, never reorder.
"""

from typing import TypeVar

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


ClassT = TypeVar("ClassT", str, float)


def _table(classes: dict[ClassT, str]) -> dict[str, ClassT]:
    """{class: "value value ..."} -> {value: class}; easier to read and edit than the flat form."""
    return {value: name for name, values in classes.items() for value in values.split()}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


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
# "*" means every other value, except those of NOT_A_VALUE.
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
NOT_A_VALUE = ("no", "vacant", "disused", "none")  # tag values that deny their key, even under a "*"

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
MOST_STOREYS = 200  # the tallest building has 163; more is a typing error, and the number counts as unknown

# --- Overture Maps -> tags of OpenStreetMap -------------------------------------------------------------------------
# Words of its schema (docs.overturemaps.org/schema, v1.18): class, or subtype where there is no class.

# Values of `building` that OpenStreetMap calls otherwise; all others are the same.
OVERTURE_BUILDING = {
    "agricultural": "barn",
    "beach_hut": "hut",
    "boathouse": "shed",
    "bridge_structure": "bridge",
    "digester": "storage_tank",
    "dwelling_house": "house",
    "education": "school",
    "entertainment": "theatre",
    "ger": "house",
    "guardhouse": "office",
    "medical": "clinic",
    "military": "government",
    "monastery": "church",
    "outbuilding": "shed",
    "post_office": "office",
    "presbytery": "residential",
    "religious": "church",
    "semi": "semidetached_house",
    "shrine": "temple",
    "slurry_tank": "storage_tank",
    "stilt_house": "house",
    "toilets": "service",
    "trullo": "house",
    "wayside_shrine": "service",
}
OVERTURE_RAILWAY = {"standard_gauge": "rail"}

# Grounds: land_use, land, water and infrastructure.
OVERTURE_LAND = _table(
    {
        "landuse=residential": "residential static_caravan",
        "landuse=commercial": "commercial developed",
        "landuse=retail": "retail",
        "landuse=industrial": "industrial resource_extraction logging peat_cutting works",
        "landuse=quarry": "quarry",
        "landuse=landfill": "landfill",
        "landuse=institutional": "institutional public civic_admin",
        "landuse=military": "military barracks base airfield naval_base danger_area range training_area bunker "
        "military_other military_hospital military_school trench obstacle_course nuclear_explosion_site",
        "landuse=religious": "religious churchyard",
        "landuse=education": "education school schoolyard university college kindergarten music_school driving_school",
        "landuse=healthcare": "medical hospital clinic doctors",
        "landuse=railway": "railway",
        "landuse=allotments": "allotments",
        "landuse=cemetery": "cemetery grave_yard",
        "landuse=grass": "grass green village_green traffic_island",
        "landuse=recreation_ground": "recreation recreation_ground",
        "landuse=forest": "forest",
        "landuse=flowerbed": "flowerbed",
        "landuse=farmland": "agriculture farmland animal_keeping",
        "landuse=farmyard": "farmyard",
        "landuse=meadow": "meadow",
        "landuse=orchard": "orchard",
        "landuse=vineyard": "vineyard",
        "landuse=plant_nursery": "horticulture plant_nursery",
        "landuse=greenhouse_horticulture": "greenhouse_horticulture",
        "leisure=park": "park state_park plaza",
        "leisure=garden": "garden",
        "leisure=pitch": "pitch",
        "leisure=track": "track",
        "leisure=playground": "playground",
        "leisure=dog_park": "dog_park",
        "leisure=golf_course": "golf golf_course fairway rough tee driving_range",
        "leisure=common": "common",
        "leisure=nature_reserve": "nature_reserve strict_nature_reserve species_management_area wilderness_area "
        "national_park natural_monument protected_landscape_seascape",
        "leisure=stadium": "stadium",
        "leisure=water_park": "water_park",
        "leisure=marina": "marina",
        "tourism=theme_park": "theme_park entertainment",
        "tourism=zoo": "zoo",
        "tourism=camp_site": "camp_site campground",
        "natural=wood": "wood",
        "natural=scrub": "scrub shrub shrubbery",
        "natural=grassland": "grassland",
        "natural=heath": "heath",
        "natural=fell": "fell",
        "natural=tundra": "tundra",
        "natural=wetland": "wetland",
        "natural=sand": "sand dune desert",
        "natural=beach": "beach beach_resort",
        "natural=shingle": "shingle",
        "natural=scree": "scree",
        "natural=bare_rock": "bare_rock rock",
        "natural=glacier": "glacier",
        "natural=water": "water ocean sea bay strait lagoon lake oxbow pond fish_pond reservoir river canal stream "
        "moat reflecting_pool salt_pool tidal_channel dock lock water_hazard lateral_water_hazard wastewater "
        "aquaculture",
        "landuse=basin": "basin",
        "landuse=salt_pond": "salt_pond",
        "aeroway=aerodrome": "airport international_airport regional_airport municipal_airport private_airport "
        "military_airport seaplane_airport",
        "aeroway=runway": "runway airstrip stopway",
        "aeroway=taxiway": "taxiway taxilane",
        "aeroway=apron": "apron",
        "aeroway=terminal": "terminal",
        "railway=station": "railway_station subway_station railway_halt",
        "railway=platform": "platform",
        "amenity=bus_station": "bus_station",
        "amenity=ferry_terminal": "ferry_terminal",
    }
)

# Places: words of the taxonomy of December 2025, basic categories, and those of the older categories that are frequent.
# The first word of a place, from the most specific to its branch of the taxonomy, that is listed here decides.
OVERTURE_PLACE = _table(
    {
        "amenity=restaurant": "food_and_drink restaurant eat_and_drink eating_drinking_location cafe coffee_shop bar "
        "pub fast_food_restaurant pizza_restaurant italian_restaurant chinese_restaurant japanese_restaurant "
        "mexican_restaurant american_restaurant indian_restaurant burger_restaurant ice_cream_shop food_court "
        "casual_eatery bakery_cafe tea_room wine_bar cocktail_bar beer_bar",
        "shop=yes": "shopping retail specialty_store second_hand_store food_and_beverage_store grocery_store "
        "supermarket convenience_store clothing_store shoe_store electronics furniture_store jewelry_store bookstore "
        "bakery department_store shopping_center hardware_store flowers_and_gifts_shop pharmacy_and_drug_store "
        "lifestyle_services beauty_service beauty_and_spa beauty_salon hair_salon barber nail_salon spas "
        "personal_service pets pet_store automotive vehicle_dealer car_dealer automotive_repair vehicle_service "
        "laundry_service dry_cleaning",
        "office=yes": "services_and_business business_to_business professional_service professional_services "
        "home_service real_estate real_estate_agent media_and_news mass_media business_location business b2b_service "
        "manufacturer private_establishments_and_corporates lawyer advertising_agency software_development "
        "corporate_office organization",
        "office=financial": "financial_service bank_credit_union bank banks credit_union insurance_agency accountant "
        "money_transfer_service currency_exchange",
        "amenity=school": "education school place_of_learning educational_service college_university elementary_school "
        "high_school middle_school preschool day_care_preschool specialty_school kindergarten library",
        "healthcare=yes": "health_care health_and_medical healthcare_location hospital doctor dentist clinic pharmacy "
        "medical_center counseling_and_mental_health veterinary_care veterinarian animal_hospital",
        "public_transport=station": "airport airport_terminal train_station bus_station metro_station "
        "light_rail_station ferry_terminal public_transportation transport_hub transportation_location",
        "amenity=fuel": "gas_station fuel_station fueling_station car_rental car_rental_agency vehicle_rental "
        "taxi_service taxi_or_ride_share_service",
        "leisure=sports_centre": "arts_and_entertainment entertainment_location sports_and_recreation active_life "
        "recreational_location sport_fitness_facility sports_and_recreation_venue gym fitness_studio stadium_arena "
        "movie_theater cinema theatre performing_arts_venue music_venue dance_club casino arcade event_space "
        "event_venue venue_and_event_space",
        "tourism=attraction": "attractions_and_activities tourist_attraction amusement_park museum art_museum "
        "history_museum science_museum childrens_museum art_gallery aquarium zoo historic_site architectural_landmark "
        "landmark_and_historical_building monument",
        "tourism=hotel": "lodging accommodation hotel motel hostel inn bed_and_breakfast guest_house resort "
        "holiday_rental_home campground travel_accommodation",
        "amenity=townhall": "community_and_government public_service_and_government government_office "
        "public_and_government_association police_department fire_department post_office courthouse community_center "
        "place_of_worship religious_organization religious_destination christian_place_of_worship "
        "christian_place_of_worshop church_cathedral mosque synagogue hindu_temple buddhist_temple "
        "cultural_and_historic civic_organization_office military_site",
        "office=travel_agent": "travel_and_transportation travel travel_service tour_operator travel_agent",
    }
)
# Words that mean no place with visitors. They go before the branch that they belong to.
OVERTURE_LEFT_OUT = _words(
    "atm geographic_entities structure_and_geography nature_outdoors park parking parking_lot bike_parking street_art "
    "statue_sculpture public_restroom public_toilet ev_charging_station bus_stop recreational_trail "
    "electric_vehicle_charging_station apartment_building apartment home_developer cemetery farm beach trail "
    "hiking_trail lake river mountain forest bridge road_structures_and_service post_box public_fountain "
    "agricultural_area playing_field sport_field scenic_viewpoint"
)
