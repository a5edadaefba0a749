"""What README and docs/ show works: the ten lines of Python, every command line, every link."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import geopandas
import pytest
import typer
import xarray

from zoomdiff.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "assets").glob("*.md"))]
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"^(?: {4}|\$ ?)?(?:\.venv/bin/)?(?:python -m )?zoomdiff ([a-z].*)$", re.MULTILINE)
INLINE = re.compile(r"`(?:python -m )?zoomdiff ((?:[a-z]|--)[^`]*)`")
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_ten_lines_of_python_run_in_an_empty_folder(tmp_path):
    """As they are, without the network, and leave the files that they promise."""
    lines = PYTHON.search((ROOT / "README.md").read_text())[1]
    lines += "\nimport sys; print('torch._dynamo' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, check=True, timeout=300, stdout=subprocess.PIPE)
    assert run.stdout == b"False\n", "torch's compiler takes seconds to import"
    stations = geopandas.read_parquet(tmp_path / "out" / "bs.parquet")
    hours = xarray.open_zarr(tmp_path / "out" / "week.zarr", group="grid50", consolidated=False)
    assert len(hours.time) == 168
    assert float(hours.traffic.sum()) == sum(sum(cell) for cell in stations.traffic) > 0
    assert (tmp_path / "week.png").read_bytes().startswith(b"\x89PNG")


def test_quick_start_shows_the_same_ten_lines():
    assert PYTHON.search((ROOT / "README.md").read_text())[1] == PYTHON.search((ROOT / "docs/index.md").read_text())[1]


def test_the_page_of_scenarios_shows_the_whole_file_that_its_command_takes():
    """Who installed the package has no docs/."""
    shown = re.search(r"^```json\n(.*?)^```", (ROOT / "docs/scenarios.md").read_text(), re.MULTILINE | re.DOTALL)
    assert shown and shown[1] == (ROOT / "docs/scenario_example.geojson").read_text()


def test_no_command_takes_a_file_of_a_checkout():
    assert [line for line in COMMAND_LINES if re.search(r"(docs|assets|tests)/", line)] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_python_blocks_compile(page):
    for block in PYTHON.findall(page.read_text()):
        compile(block, named(page), "exec")


COMMAND_LINES = sorted({line.split("  #")[0] for page in PAGES for line in LINE.findall(page.read_text())})


def test_command_lines_are_found():
    assert any(line.startswith("generate --map helsinki") for line in COMMAND_LINES) and len(COMMAND_LINES) > 15


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_command_line_parses(line):
    """The command exists and takes these options and values; it is not run."""
    group = typer.main.get_command(app)
    name, *words = shlex.split(line)
    command = group.get_command(None, name)
    assert command, f"There is no command {name}."
    command.make_context(name, words).close()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_and_options_in_the_text_exist(page):
    group = typer.main.get_command(app)
    for name, *words in (shlex.split(line) for line in INLINE.findall(page.read_text())):
        if name == "--help":
            continue
        command = group.get_command(None, name)
        assert command, f"{named(page)}: there is no command {name}."
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        unknown = {word for word in words if word.startswith("--")} - known
        assert not unknown, f"{named(page)}: {name} has no {', '.join(unknown)}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_to_files(page):
    """Links to pages, pictures and notebooks, as they are on GitHub."""
    here = page.parent
    links = [link for link in LINK.findall(page.read_text()) if not re.match(r"[a-z]+:", link)]
    assert [link for link in links if not (here / link).exists()] == []
