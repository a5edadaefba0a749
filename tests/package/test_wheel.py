"""The wheel, built once and installed into an empty folder, far from the checkout: what is in it works there."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest

import zoomdiff

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "app" / "static" / "zoommap.js"
FOUR_BLOCKS = "24.9386,60.1656,24.9518,60.1755"
MAX_BYTES = 5_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, as a build leaves its folders beside the sources."""
    copy, out = tmp_path_factory.mktemp("sources") / "zoomdiff", tmp_path_factory.mktemp("dist")
    others = shutil.ignore_patterns(".*", "node_modules", "__pycache__", "*.egg-info", "build", "dist", "site", "runs")
    shutil.copytree(ROOT, copy, ignore=others)
    shutil.copytree(ROOT / "app" / ".streamlit", copy / "app" / ".streamlit")
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(out), str(copy)]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True)
    (file,) = out.iterdir()
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory) -> Path:
    """The folder that holds the installed package and nothing else."""
    target = tmp_path_factory.mktemp("installed")
    options = ["--quiet", "--no-deps", "--no-index", "--no-compile", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(wheel)], check=True)
    return target


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    """The folder that the programs run in."""
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(scope="module")
def python(installed: Path, empty: Path, tmp_path_factory):
    """Start Python in an empty folder, with the installed package and the dependencies, but without the checkout."""
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ZOOMDIFF_"))}
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(installed), *libraries]),
        "ZOOMDIFF_CACHE": str(tmp_path_factory.mktemp("cache")),
    }

    def start(*arguments: str) -> subprocess.Popen:
        # -S: no .pth files, through which an editable install would put the checkout on the path.
        command = [sys.executable, "-S", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=empty, env=environment, **pipes)

    return start


def output(process: subprocess.Popen) -> str:
    """All that a process printed, once it has ended well."""
    text, _ = process.communicate()
    assert process.returncode == 0, text
    return text


def sources() -> Iterator[str]:
    """Every module of the checkout as it is named in the wheel."""
    for path in (ROOT / "zoomdiff").rglob("*.py"):
        yield path.relative_to(ROOT).as_posix()
    for path in (ROOT / "app").rglob("*.py"):
        if "frontend" not in path.parts:
            yield f"zoomdiff/{path.relative_to(ROOT).as_posix()}"


def test_it_holds_the_modules_the_data_and_nothing_else(wheel: Path):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    data = {f"zoomdiff/assets/{path.relative_to(ROOT / 'assets').as_posix()}" for path in files(ROOT / "assets")}
    static = {f"zoomdiff/app/static/{path.name}" for path in files(BUNDLE.parent)}
    others = {"zoomdiff/py.typed", "zoomdiff/app/.streamlit/config.toml"}
    assert names == {*sources()} | data | static | others
    assert {"zoomdiff/assets/zoomdiff-s4t4.safetensors", "zoomdiff/assets/configs/shipped.toml"} <= names
    if BUNDLE.exists():
        assert "zoomdiff/app/static/zoommap.licences.txt" in names
    assert wheel.stat().st_size < MAX_BYTES


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_it_says_its_version_and_its_licence_and_installs_a_command(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        about = {name.partition(".dist-info/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
        metadata = message_from_bytes(archive.read(about["METADATA"]))
        commands = archive.read(about["entry_points.txt"]).decode()
    assert metadata["Version"] == zoomdiff.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert {"licenses/LICENSE", "licenses/assets/LICENSE.md"} <= set(about)
    assert "zoomdiff = zoomdiff.cli:main" in commands
    assert set(metadata.get_all("Provides-Extra")) == {"app", "bench", "dev", "login", "scale"}
    base = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert not [line for line in base if line.startswith(("streamlit", "plotly", "pytest", "ruff", "xgboost"))]


def test_the_help_comes_from_the_installed_package(python, installed: Path):
    assert Path(output(python("-c", "import zoomdiff; print(zoomdiff.__file__)")).strip()).is_relative_to(installed)
    text = output(python("-m", "zoomdiff", "--help"))
    assert all(command in text for command in ("generate", "refine", "train", "app"))


@pytest.fixture(scope="module")
def seen(python) -> dict:
    """What one process of the installed package finds; one, as it takes longest to import what all need."""
    code = f"""
import json
import sys
from importlib.util import find_spec
from pathlib import Path

from streamlit.testing.v1 import AppTest

from zoomdiff import cli
from zoomdiff.checkpoint import load_model
from zoomdiff.files import ASSETS
from zoomdiff.training.config import read_config

page = AppTest.from_file(str(Path(find_spec("zoomdiff.app").origin).with_name("main.py")), default_timeout=300).run()
sys.argv = ["zoomdiff", "generate", "--map", "helsinki", "--bbox", "{FOUR_BLOCKS}", "--steps", "1", "--out", "out"]
try:
    cli.main()
except SystemExit as end:
    assert not end.code
print(json.dumps({{
    "assets": str(ASSETS),
    "splits": (ASSETS / "splits.json").exists(),
    "weights": load_model().sha256,
    "training steps": read_config("quick").steps,
    "page errors": [error.message for error in page.exception],
    "buttons": [button.label for button in page.button],
}}))
"""
    return json.loads(output(python("-c", code)).splitlines()[-1])


def test_the_weights_the_configurations_and_the_splits_load(seen: dict, installed: Path):
    assert Path(seen["assets"]) == installed / "zoomdiff" / "assets"
    assert seen["weights"] == hashlib.sha256((ROOT / "assets" / "zoomdiff-s4t4.safetensors").read_bytes()).hexdigest()
    assert seen["training steps"] > 0
    assert seen["splits"]


def test_a_week_is_generated_in_an_empty_folder(seen: dict, empty: Path):
    names = ["bs.geojson", "cell.geojson", "grid100.geojson", "grid50.geojson"]
    assert sorted(path.name for path in (empty / "out").iterdir()) == names
    assert [path.name for path in empty.iterdir()] == ["out"]


def test_the_page_runs(seen: dict):
    assert seen["page errors"] == []
    assert "Generate" in seen["buttons"]


def test_the_app_is_served_with_its_settings_and_its_map_component(python):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    server = python("-m", "zoomdiff", "app", "--port", str(port), "--no-browser")
    try:
        # The server says when it is ready; if it ends instead, so does what it prints.
        said = next((line for line in server.stdout if "URL" in line), "")
        assert f"http://localhost:{port}" in said  # `address` of the settings: not every network of this computer
        address = f"http://localhost:{port}"
        with urllib.request.urlopen(f"{address}/healthz", timeout=60) as reply:
            assert reply.read() == b"ok"
            assert reply.headers["Content-Security-Policy"] == "frame-ancestors 'self'"
        assert b"zoomdiff_runs_unfinished 0.0" in read(f"{address}/metrics")
        if BUNDLE.exists():
            assert read(f"{address}/app/static/zoommap.js") == BUNDLE.read_bytes()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            read(f"{address}/app/static/missing.js")
    finally:
        server.terminate()
        server.communicate()


def read(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=60) as reply:
        return reply.read()
