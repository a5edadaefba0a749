"""Weeks on disk: after a restart of the server, or on another one with the same cache, a link brings its week again.

An entry of the cache is named by a token that nobody can guess: who has the link may see the week, and nobody else. It
holds the week, what it was asked for with, and the files that its user had uploaded for it.
"""

import logging
import re
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import streamlit as st
from zoomdiff.app import work
from zoomdiff.app.work import People, Request, is_upload, region_key

from zoomdiff.context import cache
from zoomdiff.errors import ZoomDiffError
from zoomdiff.region import Region
from zoomdiff.week import TrafficWeek

AGE = 30 * 24 * 3600  # seconds after its last use
TOKEN = re.compile(r"[\w-]{22}", re.ASCII)
WEEK = "week.npz"
LOG = logging.getLogger("zoomdiff.app")


@dataclass(frozen=True)
class Kept:
    """A week from the store, and what it was asked for with; `request` names the uploaded files where they are now."""

    request: Request
    week: TrafficWeek


def keep(request: Request, week: TrafficWeek) -> str | None:
    """Keep a week; returns its token, or None where the disk does not take it, which the log says."""
    token = secrets.token_urlsafe(16)

    def write(folder: Path) -> dict[str, Any]:
        np.savez(folder / WEEK, week.volumes[-1])
        source = _copied(request.source, folder / "map")
        raster = _copied(request.people.raster, folder / "people")
        about = asdict(request) | {"source": source, "people": {**asdict(request.people), "raster": raster}}
        return {"request": about, "polygon": shapely.to_geojson(week.region.polygon), "provenance": week.provenance}

    try:
        cache.keep(_folder() / token, write)
    except ZoomDiffError as error:
        LOG.warning("A week is not kept: %s", error)
        return None
    _forget()
    return token


def find(token: str | None) -> Kept | None:
    """The week of a token; None where there is none, or it is damaged, or too old."""
    if not token or not TOKEN.fullmatch(token):
        return None
    _forget()
    entry = _folder() / token
    if not cache.is_whole(entry):
        return None
    about = cache.about(entry)
    region = Region.from_polygon(shapely.from_geojson(about["polygon"]))
    request = Request(**about["request"] | {"people": People(**about["request"]["people"])})
    if region_key(region) != request.region:  # of a version that cut blocks otherwise
        return None
    request = replace(request, source=_there(request.source, entry))
    request = replace(request, people=replace(request.people, raster=_there(request.people.raster, entry)))
    with np.load(entry / WEEK) as file:
        (finest,) = file.values()
    return Kept(request, TrafficWeek(region, tuple(region.hierarchy.pyramid(finest)), about["provenance"]))


def tokens() -> dict[Request, str]:
    """Those of this session's weeks."""
    return st.session_state.setdefault("tokens", {})


def week_of(request: Request) -> TrafficWeek | None:
    """This session's week, from the disk where the memory does not hold it any more; None where it made none."""
    week = work.results().get(request)
    if week is None and (kept := find(tokens().get(request))):
        work.keep(request, week := kept.week)
    return week


def _folder() -> Path:
    return cache.root() / "weeks"


def _copied(path: str | None, copy: Path) -> str | None:
    """The name of the copy of an uploaded file, relative to its entry; other maps are where they were."""
    if path is None or not (is_upload(path) or Path(path).is_relative_to(_folder())):
        return path
    copy = copy.with_suffix(Path(path).suffix)
    shutil.copyfile(path, copy)
    return f"./{copy.name}"


def _there(path: str | None, entry: Path) -> str | None:
    return str(entry / path) if path and path.startswith("./") else path


def _forget() -> None:
    """Delete what was not used for AGE seconds; the cache itself sees to its size."""
    for entry in _folder().glob("*"):
        with suppress(FileNotFoundError):  # another server with the same cache was faster
            if time.time() - entry.stat().st_mtime > AGE:
                shutil.rmtree(entry, ignore_errors=True)
