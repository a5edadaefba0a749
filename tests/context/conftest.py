"""The map of Helsinki, read once, and a small web server in the place of the internet."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from zoomdiff.context import UEC, MapLayers, build_uec, read_map
from zoomdiff.region import Region


@pytest.fixture(scope="session")
def helsinki() -> MapLayers:
    return read_map("helsinki")


@pytest.fixture(scope="session")
def centre(helsinki) -> UEC:
    """The context of Helsinki's centre."""
    return build_uec(helsinki, Region.from_bbox((24.937, 60.166, 24.951, 60.177)))


@dataclass
class Site:
    """What a local server answers: `answer(method, path)` gives (status, body); `asked` is what it was asked for."""

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    answer: Callable[[str, str], tuple[int, bytes]] = lambda method, path: (404, b"")


@pytest.fixture
def site():
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            site.asked.append((self.command, self.path))
            status, body = site.answer(self.command, self.path)
            part = self.headers.get("Range")
            if part and status == 200:
                first, last = (int(number) for number in part.removeprefix("bytes=").split("-"))
                status, whole, body = 206, len(body), body[first : last + 1]
            self.send_response(status)
            if status == 206:
                self.send_header("Content-Range", f"bytes {first}-{first + len(body) - 1}/{whole}")
            self.send_header("Last-Modified", "Wed, 21 Jan 2026 00:00:00 GMT")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_GET = do_HEAD = respond

        def log_message(self, *args) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    yield site
    server.shutdown()
    server.server_close()


@pytest.fixture
def cache_folder(tmp_path, monkeypatch):
    """An empty cache of the test's own."""
    monkeypatch.setenv("ZOOMDIFF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
