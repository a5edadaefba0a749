"""The site's own part: links out of docs/ lead to pages of the site, notebooks become pages."""

import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
import site_hooks  # noqa: E402


@pytest.mark.parametrize(
    ("source", "link", "on_site"),
    [
        ("docs/training.md", "../assets/MODEL_CARD.md", "about/model_card.md"),
        ("docs/about/licence.md", "../../LICENSE", "LICENSE.txt"),
        ("docs/index.md", "notebooks/first_week.ipynb", "notebooks/first_week.md"),
        ("CHANGELOG.md", "docs/files.md", "../files.md"),
        ("assets/MODEL_CARD.md", "../docs/results.md", "../results.md"),
        ("assets/MODEL_CARD.md", "configs/shipped.toml", "shipped.toml"),
        ("docs/results.md", "reference_city.md", "reference_city.md"),
        ("docs/files.md", "https://example.org/a.md", "https://example.org/a.md"),
        ("docs/scenarios.md", "scenario_example.geojson", "scenario_example.geojson"),
    ],
)
def test_links(source, link, on_site):
    assert site_hooks.linked(f"See [this]({link}).", source) == f"See [this]({on_site})."


def test_links_keep_their_anchor():
    assert site_hooks.linked("[a](../docs/concepts.md#words)", "assets/MODEL_CARD.md") == "[a](../concepts.md#words)"


def test_pages_of_files_outside_docs_exist():
    assert [source for source in site_hooks.OUTSIDE if not (ROOT / source).is_file()] == []


def test_notebook_as_page(tmp_path):
    """Words, code, and a picture as a file beside the page."""
    picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    shown = new_output("display_data", {"image/png": picture})
    path = tmp_path / "small.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Small"), new_code_cell("1 + 1", outputs=[shown])]), path)
    text, pictures = site_hooks.notebook_page(path)
    assert "# Small" in text and "1 + 1" in text
    [(name, data)] = pictures.items()
    assert name in text and data.startswith(b"\x89PNG")


def test_every_page_is_in_the_navigation():
    class Lenient(yaml.SafeLoader):
        """mkdocs.yml may name Python objects, which do not matter here."""

    Lenient.add_multi_constructor("", lambda loader, suffix, node: None)
    pages = []

    def collect(node):
        for value in node.values() if isinstance(node, dict) else node:
            pages.append(value) if isinstance(value, str) else collect(value)

    collect(yaml.load((ROOT / "mkdocs.yml").read_text(), Lenient)["nav"])
    written = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert written <= set(pages)
