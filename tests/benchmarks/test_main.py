"""One way in: the list of all commands, and each with its options."""

import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import __main__ as entry
from benchmarks.paper import report
from benchmarks.paper.results import RESULTS
from zoomdiff.errors import DataError

ROOT = Path(__file__).parents[2]


def test_the_list_names_every_module_and_imports_none_of_them():
    script = "import sys; from benchmarks.__main__ import main; main([]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    *lines, modules = done.stdout.splitlines()
    listed = {line.split()[0] for line in lines if line.startswith("  ")}
    assert listed == set(entry.COMMANDS)
    assert not {"torch", "numpy", "zoomdiff"} & set(modules.split())


def test_every_module_with_options_has_its_command():
    named = {command.module for command in entry.COMMANDS.values()}
    for half in ("paper", "perf"):
        for file in (ROOT / "benchmarks" / half).glob("*.py"):
            runs = "\ndef main(options" in file.read_text()
            assert runs == (f"{half}.{file.stem}" in named), file


@pytest.mark.parametrize("name", [name for name in entry.COMMANDS if name not in ("app", "player")])
def test_every_command_shows_its_options(name, capsys):
    with pytest.raises(SystemExit) as end:
        entry.main([name, "--help"])
    shown = capsys.readouterr().out
    assert end.value.code == 0 and f"python -m benchmarks {name}" in shown and "--data" in shown
    assert import_module(f"benchmarks.{entry.COMMANDS[name].module}").__doc__.splitlines()[0] in shown


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Path:
    """Results of one method alone."""
    folder = tmp_path_factory.mktemp("ours")
    shutil.copytree(RESULTS / "city50", folder / "city50", ignore=shutil.ignore_patterns("[!z]*"))
    return folder


def test_an_unknown_command_is_one_sentence():
    with pytest.raises(SystemExit, match="There is no command spead"):
        entry.main(["spead"])


def test_a_command_reads_the_saved_results_and_a_group_only_its_rows(capsys):
    entry.main(["rgp"])
    shown = capsys.readouterr().out
    assert shown.startswith("rgp\n") and "coarse" in shown and "residual" not in shown


def test_a_library_error_is_one_sentence(monkeypatch):
    monkeypatch.delenv("ZOOMDIFF_DATA", raising=False)
    with pytest.raises(SystemExit, match="This needs maps and measurements"):
        entry.main(["run", "city50", "--methods", "profile"])


def test_the_report_reproduces_the_committed_page_byte_for_byte():
    text = report.PAGE.read_text(encoding="utf-8")
    emptied = report.MARKED.sub(r"\1\4", text)
    assert len(emptied) < len(text) / 3 and "ZoomDiff has the best mean rank" in emptied, "conclusions are on the page"
    assert report.filled(emptied, RESULTS) == text


def test_the_report_is_written_with_its_plots(ours, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("# By hand\n\n<!-- report: city50 -->\nof the last run\n<!-- end -->\n", encoding="utf-8")
    entry.main(["report", "--page", str(page), "--results", str(ours)])
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# By hand\n") and "ZoomDiff" in text and "of the last run" not in text
    assert [file.name for file in sorted(tmp_path.glob("*.png"))] == ["benchmarks_city50.png"]


def test_a_place_of_an_unknown_name_is_refused():
    with pytest.raises(DataError, match="a place 'city51'"):
        report.filled("<!-- report: city51 -->\n<!-- end -->\n", RESULTS)


def test_a_place_without_its_result_says_what_to_run(ours):
    page = "".join(f"<!-- report: {name} -->\n<!-- end -->\n" for name in report.PLACES)
    text = report.filled(page, ours)
    assert "python -m benchmarks run nanchang" in text and "python -m benchmarks states --run" in text
    assert "python -m benchmarks ablation" in text and "Not run yet" in text and "ZoomDiff" in text
