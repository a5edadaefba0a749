"""Examples in docstrings give what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

import zoomdiff

FOLDER = Path(zoomdiff.__file__).parent
MODULES = sorted(
    ".".join(("zoomdiff", *path.relative_to(FOLDER).with_suffix("").parts)).removesuffix(".__init__")
    for path in FOLDER.rglob("*.py")
    if ">>> " in path.read_text()
)


def test_there_are_examples():
    assert len(MODULES) >= 5


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # examples may write files
    failed, attempted = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    assert attempted and not failed
