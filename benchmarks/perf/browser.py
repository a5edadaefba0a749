"""The app in a browser on the same machine, for measurements and pictures; needs chromium, which paints in software."""

import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, expect

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "e2e"))
from actions import settled, the_map, until, week_is_there  # noqa: E402
from conftest import QUIET  # noqa: E402

PATIENCE = 1_800_000  # ms for one thing to happen: the whole city on a busy machine takes minutes


@dataclass(frozen=True)
class Server:
    """A running app: its address, and the process that serves it."""

    address: str
    pid: int

    def megabytes(self) -> float:
        """Resident memory of the process, as Linux reports it."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024


@contextmanager
def app(*options: str) -> Iterator[Server]:
    """The app, started anew with further options of `streamlit run`; it ends with the block."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py", "--server.port", str(port)]
    process = subprocess.Popen([*command, "--server.headless", "true", *options], cwd=ROOT, stdout=sys.stderr)
    try:
        until(lambda: _answers(f"http://localhost:{port}/_stcore/health"), bool)
        yield Server(f"http://localhost:{port}/", process.pid)
    finally:
        process.terminate()
        process.wait()


def chromium(playwright: Playwright) -> Browser:
    """Debian's chromium, without requests by the browser itself."""
    expect.set_options(timeout=PATIENCE)
    return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)


def opened(page: Page, address: str) -> Page:
    """The app with the week of a link."""
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.get_by_role("button", name="Generate", exact=True).click()
    week_is_there(page)
    settled(the_map(page))
    return page


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=2).close()
    except (urllib.error.URLError, OSError):
        return False
    return True
