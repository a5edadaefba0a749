import pytest

from zoomdiff.errors import OptionError
from zoomdiff.files import whole_file


def test_a_file_appears_whole_and_in_a_new_folder(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with whole_file(path) as part:
        part.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole" and [p.name for p in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("failure", [ValueError("a bug"), KeyboardInterrupt()])
def test_what_was_there_stays_where_writing_fails(failure, tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("before")
    with pytest.raises(type(failure)), whole_file(path) as part:
        part.write_text("half")
        raise failure
    assert path.read_text() == "before" and [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_where_nothing_can_be_written_one_sentence_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OptionError, match=r"^The table cannot be written to .*x\.csv: "),
        whole_file(tmp_path / "file" / "x.csv", "The table"),
    ):
        pytest.fail("there is no folder")
