"""OpenStreetMap (ODbL, © OpenStreetMap contributors) from the network.

Pyrosm picks the smallest extract that holds the region (of Geofabrik, BBBike and Movisda), downloads it, and cuts the
region out.
"""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyrosm
import shapely
from pyrosm.exceptions import ExtractDownloadError, ExtractNotFoundError, PBFException
from pyrosm.pbf_export import crop_pbf

from zoomdiff.context import cache, online, osm
from zoomdiff.context.online import Progress
from zoomdiff.context.tagged import Tagged
from zoomdiff.errors import MapError
from zoomdiff.outline import Bounds

SERVERS = ["https://download.geofabrik.de/", "https://download.bbbike.org/", "https://osm.download.movisda.io/"]
FILE = "map.osm.pbf"
READ = 60.0  # seconds without a byte


def fetch(bbox: Bounds, on_progress: Progress | None = None) -> Path:
    """The entry of the cache with the map of `bbox` (west, south, east, north in degrees), downloaded if there is none.

    Downloads are checked (length by pyrosm, content by reading them through) and tried again.

    Raises
    ------
    MapError
        The network does not answer (within 3 s), the download fails or is damaged, or no extract holds the box.
    """
    box = cache.rounded(bbox, osm.MARGIN)
    entry = cache.find("osm", box)
    if entry is None:
        online.check(SERVERS, "The map of this region")
        entry = cache.add("osm", box, lambda part: _download(part, box, on_progress or (lambda what, share: None)))
    return entry


def stream_entry(entry: Path, bbox: Bounds | None = None) -> Iterator[Tagged]:
    """The map of an entry of the cache, or what touches `bbox` of it, part by part. Raises MapError."""
    about = cache.about(entry)
    for part in osm.stream(entry / FILE, bbox):
        yield replace(
            part,
            name=f"OpenStreetMap ({about['extract']})",
            source=f"OpenStreetMap, {about['provider']}'s extract {about['extract']}",
            date=about["date"],
            extent=tuple(about["box"]),
        )


def _download(part: Path, box: Bounds, on_progress: Progress) -> dict[str, Any]:
    """Write the map of the box into the folder `part`; returns where it comes from."""
    extracts = cache.root() / "extracts"  # whole ones, for the next region nearby

    def report(done: int, total: int | None) -> None:
        searching = total == 100  # pyrosm counts the search in per cent, the download in bytes
        what = "Looking for the smallest extract" if searching else "Downloading the extract"
        on_progress(what, done / total if total else None)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of servers that do not answer while others do
            extract = pyrosm.get_data_by_area(
                shapely.box(*box), crop=False, directory=str(extracts), timeout=(5.0, READ), progress=report
            )
        on_progress("Cutting the region out", None)
        crop_pbf(extract.path, str(part / FILE), bounding_box=shapely.box(*box), progress=False)
    except ExtractNotFoundError as error:
        raise MapError("No extract of OpenStreetMap holds this region: choose a smaller one.") from error
    except PBFException as error:
        # The error does not name the extract, so all go, and the next attempt downloads anew.
        for file in extracts.glob("*.pbf"):
            file.unlink(missing_ok=True)
        raise MapError("The extract that was downloaded is damaged: try again.") from error
    except (ExtractDownloadError, *online.FAILURES) as error:
        raise MapError("The download of the map failed: try again later, or give a map file.") from error
    date = extract.snapshot.date().isoformat() if extract.snapshot else None
    return {"provider": extract.provider, "extract": extract.extract, "url": extract.url, "date": date, "box": box}
