"""Weights from the internet: downloaded once with their JSON, checked by SHA-256, kept in the cache."""

import hashlib
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.error import HTTPError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

from zoomdiff.context import cache
from zoomdiff.errors import CheckpointError

SUFFIX = ".safetensors"
MOST_WEIGHTS, MOST_JSON = 2 * 1024**3, 4 * 1024**2  # bytes
TIMEOUT = 20.0  # seconds without a byte
CHUNK = 2**20
LOCAL = ("localhost", "127.0.0.1", "::1")  # needs no encryption


def is_url(source: object) -> bool:
    """Whether a source of weights is an address, and not a path."""
    return isinstance(source, str) and "://" in source


def check_suffix(name: str) -> None:
    """Raise CheckpointError for a file that is no safetensors file: others could run code when they are read."""
    if not name.endswith(SUFFIX):
        raise CheckpointError(f"{name} is not a {SUFFIX} file, and weights of other kinds are not read: convert it.")


def download(url: str, sha256: str | None) -> Path:
    """The weights of an address in the cache, their JSON beside them; downloaded if they are not there whole.

    Parameters
    ----------
    url
        https://.../name.safetensors; name.json must lie beside it.
    sha256
        Of the weights, as their publisher states it.

    Raises
    ------
    CheckpointError
        No SHA-256, an address that cannot be used, no answer, another SHA-256, or a cache that cannot be written.
    """
    try:
        address = urlsplit(url)
    except ValueError as error:
        raise CheckpointError(f"The address of the weights cannot be used: {error}.") from error
    name = PurePosixPath(address.path).name
    check_suffix(name)
    _check_scheme(url)
    if sha256 is None:
        raise CheckpointError(f"Weights from the internet are checked: give the SHA-256 of {name} as sha256=...")
    sha256 = sha256.strip().lower()
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise CheckpointError(f"{sha256[:80]!r} is not a SHA-256: give 64 hexadecimal digits.")
    entry = cache.root() / "weights" / sha256
    if not cache.is_whole(entry):
        beside = urlunsplit(address._replace(path=address.path.removesuffix(SUFFIX) + ".json"))
        cache.keep(entry, lambda part: _fill(part, name, url, beside, sha256), CheckpointError)
    return next(entry.glob(f"*{SUFFIX}"))


def _fill(part: Path, name: str, url: str, beside: str, sha256: str) -> dict[str, str]:
    """Download the weights and their JSON into a folder, which is described. Raises CheckpointError and OSError."""
    weights = part / name
    found = _fetch(url, weights, MOST_WEIGHTS)
    if found != sha256:
        raise CheckpointError(
            f"{name} was not downloaded whole or is another file (SHA-256 {found[:12]}..., expected "
            f"{sha256[:12]}...): try again, or check the address and the SHA-256."
        )
    _fetch(beside, weights.with_suffix(".json"), MOST_JSON)
    return {"url": url}


def _fetch(url: str, file: Path, most: int) -> str:
    """Write what an address holds; its SHA-256. Raises CheckpointError, and OSError of the disk."""
    digest, done = hashlib.sha256(), 0
    with file.open("wb") as out:
        try:
            response = urlopen(url, timeout=TIMEOUT)
        except HTTPError as error:
            raise CheckpointError(f"{url} cannot be downloaded ({error}): check the address.") from error
        except (OSError, HTTPException, ValueError) as error:
            raise _no_answer(url, error) from error
        with response:
            _check_scheme(response.url)  # where a redirection led to
            while True:
                try:
                    chunk = response.read(CHUNK)
                except (OSError, HTTPException) as error:
                    raise _no_answer(url, error) from error
                if not chunk:
                    return digest.hexdigest()
                done += len(chunk)
                if done > most:
                    raise CheckpointError(f"{url} holds more than {most:,} bytes: check the address.")
                digest.update(chunk)
                out.write(chunk)


def _no_answer(url: str, error: Exception) -> CheckpointError:
    reason = getattr(error, "reason", None) or error
    return CheckpointError(
        f"{url} cannot be downloaded ({reason}): connect to the internet, or give the path of a file."
    )


def _check_scheme(url: str) -> None:
    address = urlsplit(url)
    if address.scheme != "https" and not (address.scheme == "http" and address.hostname in LOCAL):
        raise CheckpointError(f"Weights are downloaded by https only, not from {url}.")
