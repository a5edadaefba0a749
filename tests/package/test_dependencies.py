"""What the library and the app import is declared in pyproject.toml, and pinned in requirements.txt."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BASE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = {
    name: [Requirement(line) for line in lines if not line.startswith("zoomdiff")]
    for name, lines in PROJECT["optional-dependencies"].items()
}
DISTRIBUTION = {"PIL": "pillow"}  # where it differs from the name that is imported
ENGINES = {"netcdf4", "zarr"}  # xarray imports them


def names(requirements: list[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements}


def imports(folder: Path) -> Iterator[tuple[str, str]]:
    """File and module of each absolute import in a folder, at whatever depth of the code."""
    for path in folder.rglob("*.py"):
        if "frontend" in path.parts:  # its build script, which is not installed
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path.name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield path.name, node.module or ""


def packages(folder: str) -> dict[str, str]:
    """The distributions that a folder imports, each with a file that does."""
    tops = {module.partition(".")[0]: file for file, module in imports(ROOT / folder)}
    foreign = {top: file for top, file in tops.items() if top not in sys.stdlib_module_names and top != "zoomdiff"}
    return {canonicalize_name(DISTRIBUTION.get(top, top)): file for top, file in foreign.items()}


def test_the_library_imports_base_dependencies_only():
    undeclared = {name: file for name, file in packages("zoomdiff").items() if name not in names(BASE)}
    # serve.py hands over to Streamlit, after a look whether it is installed.
    assert undeclared == {"streamlit": "serve.py"}


def test_the_app_imports_base_dependencies_and_its_extra_only():
    declared = names(BASE) | names(EXTRAS["app"])
    assert {name: file for name, file in packages("app").items() if name not in declared} == {}


def test_the_library_never_imports_the_app():
    assert [(file, module) for file, module in imports(ROOT / "zoomdiff") if module.startswith("zoomdiff.app")] == []


def test_every_dependency_is_used():
    used = set(packages("zoomdiff")) | set(packages("app")) | ENGINES
    assert (names(BASE) | names(EXTRAS["app"])) - used == set()


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    """Version by name of all that `make` installs."""
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines if line)}


@pytest.mark.parametrize("group", ["base", "app", "bench", "dev"])
def test_each_range_admits_the_pinned_version(pins: dict[str, str], group: str):
    ranges = BASE if group == "base" else EXTRAS[group]
    outside = [str(one) for one in ranges if not one.specifier.contains(pins.get(canonicalize_name(one.name), ""))]
    assert outside == []


def test_every_pin_has_a_range(pins: dict[str, str]):
    declared = names(BASE).union(*(names(group) for group in EXTRAS.values()))
    assert set(pins) - declared == set()
