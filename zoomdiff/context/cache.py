"""Downloads on disk, shared by the app and the command line: maps, and weights.

Each is one folder, a map <cache>/<source>/<west>_<south>_<east>_<north>/, that appears as a whole or not at all,
with its files and entry.json: where they come from, and their sizes and SHA-256, checked at every use. The cache is
$ZOOMDIFF_CACHE, or else ~/.cache/zoomdiff; it is safe to delete at any time. What was used least recently goes first
when it holds more than LIMIT bytes.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import shapely

from zoomdiff.errors import MapError, ZoomDiffError, is_utf8
from zoomdiff.files import sha256_of, size_of
from zoomdiff.outline import Bounds

LIMIT = 4 * 1024**3  # bytes
STALE = 24 * 3600  # seconds after which an unfinished download is from a process that died
STEP = 0.01  # degrees: boxes are rounded outwards, so that a region moved a little is still in the cache
ENTRY = "entry.json"


def root() -> Path:
    """The cache's folder; it may not exist yet."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("ZOOMDIFF_CACHE") or Path(home) / "zoomdiff").expanduser()


def rounded(bbox: Bounds, margin: float) -> Bounds:
    """The box with a margin in degrees on all sides, rounded outwards to STEP and kept on the earth."""
    west, south, east, north = bbox

    def down(v: float) -> float:
        return (v - margin) // STEP * STEP

    return (
        round(max(down(west), -180.0), 6),
        round(max(down(south), -90.0), 6),
        round(min(-down(-east), 180.0), 6),
        round(min(-down(-north), 90.0), 6),
    )


def find(source: str, box: Bounds) -> Path | None:
    """The entry of the smallest box that holds this one; damaged entries are removed. None if there is none."""
    found = []
    for entry in (root() / source).glob(f"[!.]*/{ENTRY}"):  # those that begin with a dot are not yet whole
        west, south, east, north = map(float, entry.parent.name.split("_"))
        whole = shapely.box(west, south, east, north)
        if whole.covers(shapely.box(*box)):
            found.append((whole.area, entry.parent))
    for _, entry in sorted(found):
        if is_whole(entry):
            return entry
        shutil.rmtree(entry, ignore_errors=True)
    return None


def about(entry: Path) -> dict[str, Any]:
    """What `write` returned when the entry was made."""
    described: dict[str, Any] = json.loads((entry / ENTRY).read_text())["about"]
    return described


def add(source: str, box: Bounds, write: Callable[[Path], dict[str, Any]]) -> Path:
    """Make the entry of a map of a box; see `keep`."""
    return keep(root() / source / "_".join(f"{v:g}" for v in box), write)


def keep(
    entry: Path, write: Callable[[Path], dict[str, Any]], error: Callable[[str], ZoomDiffError] = MapError
) -> Path:
    """Make an entry: `write` gets an empty folder, fills it, and returns a description of it (JSON) for `about`.

    If `write` raises, nothing is left behind. If another process was faster, its entry is taken; a damaged one is
    replaced. Raises `error` if the cache cannot be written, or has a name that libraries do not take.
    """
    if not is_utf8(str(root().absolute())):
        raise error(f"The cache {root()} has a name that is not UTF-8: set ZOOMDIFF_CACHE to another folder.")
    part = None
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=entry.parent))
        described = write(part)
        files = {file.name: [file.stat().st_size, sha256_of(file)] for file in part.iterdir()}
        (part / ENTRY).write_text(json.dumps({"about": described, "files": files}, indent=1))
        if not is_whole(entry):
            shutil.rmtree(entry, ignore_errors=True)
        try:
            part.rename(entry)
        except OSError:
            if not is_whole(entry):
                raise
    except OSError as problem:
        raise error(
            f"The cache {root()} cannot be written ({problem.strerror or problem}): free some space, or set "
            "ZOOMDIFF_CACHE to another folder."
        ) from problem
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
    trim(keep=entry)
    return entry


def trim(keep: Path | None = None) -> None:
    """Delete what was used least recently until the cache holds LIMIT bytes, and what died half-way; never `keep`."""
    items = []
    for item in root().glob("*/*"):
        with suppress(FileNotFoundError):  # another process with the same cache was faster
            used = item.stat().st_mtime
            if item.name.startswith(".part-") or item.suffix == ".part":
                if time.time() - used > STALE:
                    _delete(item)
            else:
                items.append((used, size_of(item), item))
    total = sum(size for _, size, _ in items)
    for _, size, item in sorted(items):
        if total <= LIMIT:
            break
        if item != keep:
            _delete(item)
            total -= size


def is_whole(entry: Path) -> bool:
    """Whether an entry has all its files as they were written; if so, it counts as used just now."""
    try:
        files = json.loads((entry / ENTRY).read_text())["files"]
        whole = all([(entry / name).stat().st_size, sha256_of(entry / name)] == kept for name, kept in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    if whole:
        with suppress(OSError):  # a cache that is only read
            os.utime(entry)
    return whole


def _delete(item: Path) -> None:
    if item.is_dir():
        shutil.rmtree(item, ignore_errors=True)
    else:
        item.unlink(missing_ok=True)
