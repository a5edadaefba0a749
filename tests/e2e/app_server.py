"""The app as its users start it, for tests in a browser."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from actions import PATIENCE

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:9"  # no proxy listens there: the app itself has no network, either


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


@contextmanager
def started(port: int, folder: Path, path: str = "", **settings: str) -> Iterator[str]:
    """The app, started as users start it, with its cache and log in a folder; its address, which ends with `path`.

    `settings` are further variables of its environment.
    """
    address, log = f"http://localhost:{port}{path}", folder / "log.txt"
    command = [sys.executable, "-m", "zoomdiff", "app", "--no-browser", "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ZOOMDIFF_")}
    environment |= {"ZOOMDIFF_CACHE": str(folder), "HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE}
    environment |= {"http_proxy": NOWHERE, "https_proxy": NOWHERE}
    environment |= {"STREAMLIT_SERVER_BASE_URL_PATH": path, **settings}
    environment |= {"CUDA_VISIBLE_DEVICES": ""}  # a run takes seconds on every machine: it can be watched and cancelled
    with log.open("wb") as stream:
        app = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT, env=environment)
    try:
        _wait_for(f"{address}/healthz", app, log)
        yield address
    finally:
        app.terminate()
        try:
            app.wait(10)
        except subprocess.TimeoutExpired:
            app.kill()
            app.wait()


def _wait_for(address: str, app: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and app.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the app did not start:\n{log.read_text()}")
