"""The notebooks run from top to bottom, as a reader runs them: in an empty folder, without the network."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))


def outputs_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def words_of(output: nbformat.NotebookNode) -> str:
    return output.get("text", "") or output.get("data", {}).get("text/plain", "")


def pictures(notebook: nbformat.NotebookNode) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs_of(notebook))


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["first_week", "forecasting", "refine_measurements"]


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelManager]:
    """One process for all notebooks, as it imports for seconds."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path, kernel, tmp_path):
    """A cell that raises fails the test; pictures and printed words are those that the page shows."""
    shown = nbformat.read(path, nbformat.NO_CONVERT)
    notebook = nbformat.read(path, nbformat.NO_CONVERT)
    start = nbformat.v4.new_code_cell(f"%reset -f\n%cd -q {tmp_path}")  # an empty folder, and no variable of the others
    notebook.cells.insert(0, start)
    NotebookClient(notebook, km=kernel, timeout=300).execute()
    assert pictures(notebook) == pictures(shown) > 0
    texts = [words_of(output) for output in outputs_of(notebook)]
    assert sum(bool(text.strip()) for text in texts) >= 5
    assert not [output for output in outputs_of(notebook) if output.output_type == "stream" and output.name == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_stored_with_its_outputs(path):
    """The site shows what is stored: executed once, in order, small."""
    notebook = nbformat.read(path, nbformat.NO_CONVERT)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert path.stat().st_size < 500_000
