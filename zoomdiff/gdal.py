"""GDAL's drivers and settings for files from outside: the driver follows from the suffix, never from the content."""

from functools import cache

VECTOR_DRIVERS = {".gpkg": "GPKG", ".fgb": "FlatGeobuf", ".geojson": "GeoJSON", ".json": "GeoJSON"}
RASTER_DRIVER = "GTiff"
# No other file is opened: no overviews, masks, world files or metadata that lie beside a raster.
ALONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO", "GDAL_GEOREF_SOURCES": "INTERNAL"}


@cache
def settings() -> dict[str, str]:
    """Environment of a process in which GDAL has no other vector driver, and opens no other file or address."""
    import pyogrio

    others = sorted(set(pyogrio.list_drivers()) - set(VECTOR_DRIVERS.values()))
    return {
        **ALONE,
        "GDAL_SKIP": ",".join(others),
        "GDAL_VRT_ENABLE_PYTHON": "NO",
        "OGR_SQLITE_ALLOW_EXTERNAL_ACCESS": "NO",
        "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "none",
        "PROJ_NETWORK": "OFF",
    }
