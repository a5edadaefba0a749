"""What the documentation site adds to the pages in docs/: the notebooks, and files of the repository outside docs/.

Pages link as they do on GitHub, for instance to ../CHANGELOG.md or to a notebook; the site rewrites such links.
"""

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parent.parent
# Files outside docs/ and where the site has them.
OUTSIDE = {
    "CHANGELOG.md": "about/changelog.md",
    "CITATION.cff": "about/CITATION.cff",
    "CONTRIBUTING.md": "about/contributing.md",
    "LICENSE": "about/LICENSE.txt",
    "SECURITY.md": "about/security.md",
    "assets/LICENSE.md": "about/weights_licence.md",
    "assets/MODEL_CARD.md": "about/model_card.md",
    "assets/configs/quick.toml": "about/quick.toml",
    "assets/configs/shipped.toml": "about/shipped.toml",
}
LINK = re.compile(r"(?<=\]\()[^)\s#:]+(?=[)#])")  # a relative one, without its anchor


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files of OUTSIDE, and a page for every notebook."""
    for source, page in OUTSIDE.items():
        text = (ROOT / source).read_text()
        files.append(File.generated(config, page, content=linked(text, source) if page.endswith(".md") else text))
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        folder, _, name = notebook.src_uri.rpartition("/")
        text, pictures = notebook_page(Path(notebook.abs_src_path))
        text = linked(text, f"docs/{notebook.src_uri}") + f"\n[Download this notebook]({name})\n"
        files.append(File.generated(config, notebook.src_uri.replace(".ipynb", ".md"), content=text))
        for path, data in pictures.items():
            files.append(File.generated(config, f"{folder}/{path}", content=data))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Rewrite the links of a page in docs/."""
    return markdown if page.file.generated_by else linked(markdown, f"docs/{page.file.src_uri}")


def notebook_page(path: Path) -> tuple[str, dict[str, bytes]]:
    """A notebook with its outputs as Markdown, and its pictures by their path beside it."""
    text, made = MarkdownExporter().from_filename(str(path), {"output_files_dir": f"{path.stem}_files"})
    return text, {name.replace(os.sep, "/"): data for name, data in made["outputs"].items()}


def linked(text: str, source: str) -> str:
    """The text of a file of the repository with its relative links as the site has them."""
    here = os.path.dirname(_on_site(source))

    def rewritten(link: re.Match[str]) -> str:
        target = os.path.normpath(os.path.join(os.path.dirname(source), link[0]))
        return os.path.relpath(_on_site(target), here or ".")

    return LINK.sub(rewritten, text)


def _on_site(path: str) -> str:
    """Where the site has a file of the repository."""
    return OUTSIDE.get(path) or re.sub(r"\.ipynb$", ".md", path.removeprefix("docs/"))
