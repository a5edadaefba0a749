"""The network: whether it answers, and a small document from it."""

import json
import queue
import threading
import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from zoomdiff.errors import MapError

# Called with a sentence on what is being done, and the share that is done (None where unknown).
Progress = Callable[[str, float | None], None]

ANSWER = 2.5  # seconds for a server's first sign of life; looking up a name offline can take 20
TIMEOUT = 20.0  # seconds without a byte
ATTEMPTS = 3
PAUSE = 1.0  # seconds before the second attempt, twice that before the third
FAILURES = (OSError, HTTPException)  # what urllib raises; time-outs are OSErrors


def check(urls: list[str], what: str) -> None:
    """Raise MapError within 3 s if none of the servers answers. `what` is to be downloaded, for the message."""
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
    for url in urls:
        threading.Thread(target=lambda url=url: answers.put(_answers(url)), daemon=True).start()
    stop = time.monotonic() + ANSWER
    for _ in urls:
        try:
            if answers.get(timeout=max(stop - time.monotonic(), 0.01)):
                return
        except queue.Empty:
            break
    raise MapError(
        f"{what} cannot be downloaded, as the network does not answer: connect to the internet, give a map file "
        "(.osm.pbf, GeoParquet, GeoPackage, FlatGeobuf, GeoJSON), or take the map helsinki, which is built in."
    )


def get_json(url: str) -> dict[str, Any]:
    """A JSON object, tried ATTEMPTS times. Raises OSError, HTTPException or ValueError."""
    for attempt in range(ATTEMPTS):
        try:
            with urlopen(url, timeout=TIMEOUT) as response:
                document: dict[str, Any] = json.load(response)
                return document
        except (*FAILURES, ValueError):  # half an answer is no JSON
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(PAUSE * 2**attempt)
    raise AssertionError  # not reached


def _answers(url: str) -> bool:
    try:
        with urlopen(Request(url, method="HEAD"), timeout=ANSWER):
            return True
    except HTTPError:
        return True  # a refusal is an answer
    except (*FAILURES, ValueError):
        return False
