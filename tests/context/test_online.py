"""Whether the network answers, and small documents from it."""

import socket
import time

import pytest

from zoomdiff.context import online
from zoomdiff.errors import MapError


@pytest.fixture
def silent():
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def test_offline_is_an_error_within_three_seconds_with_advice(silent):
    started = time.monotonic()
    with pytest.raises(MapError, match=r"The map cannot be downloaded.*connect to the internet.*helsinki"):
        online.check([silent, "http://127.0.0.1:9/", "http://nowhere.invalid/"], "The map")
    assert time.monotonic() - started < 3


def test_one_server_that_answers_is_enough(site, silent):
    started = time.monotonic()
    online.check([silent, site.url], "The map")  # it answers 404
    assert time.monotonic() - started < 2 and site.asked == [("HEAD", "/")]


def test_a_document_is_asked_for_again(site, monkeypatch):
    monkeypatch.setattr(online, "PAUSE", 0.01)
    answers = [(503, b""), (200, b'{"half": '), (200, b'{"latest": "2026-01-21.0"}')]
    site.answer = lambda method, path: answers[len(site.asked) - 1]
    assert online.get_json(f"{site.url}/catalog.json") == {"latest": "2026-01-21.0"}
    assert len(site.asked) == 3


def test_a_document_that_never_comes(site, monkeypatch):
    monkeypatch.setattr(online, "PAUSE", 0.01)
    with pytest.raises(OSError, match="404"):
        online.get_json(site.url)
    assert len(site.asked) == online.ATTEMPTS
