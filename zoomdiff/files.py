"""Files: the folder of what ships with the package, and files that are written whole or not at all."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoomdiff.arguments import path_of
from zoomdiff.errors import OptionError

_PACKAGE = Path(__file__).parent
# Inside the installed package, beside it in a checkout: pyproject.toml maps the folder into the wheel.
ASSETS = next(folder for folder in (_PACKAGE / "assets", _PACKAGE.parent / "assets") if folder.is_dir())


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits. Raises OSError."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def target(path: Path, what: str, *, is_folder: bool = False) -> Path:
    """The path, ~ resolved, of a file or of a folder for files, once it is clear that it can be written to.

    Asked before a long run. Raises OptionError, which calls the file `what`.
    """
    path = path_of(what, path)
    try:
        folder = path if is_folder else path.parent
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
        if not is_folder and path.is_dir():
            reason = "a folder has that name"
        elif not nearest.is_dir():
            reason = f"{nearest} is a file and not a folder"
        elif not os.access(nearest, os.W_OK | os.X_OK):
            reason = f"{nearest} is write-protected"
        else:
            return path
    except OSError as error:
        reason = error.strerror or str(error)
    raise OptionError(f"{what} cannot be written to {path}: {reason}; choose another place.")


@contextmanager
def whole_file(path: str | Path, what: str = "The file") -> Iterator[Path]:
    """A path to write a file or a folder to; it appears at `path` when the block ends, and not where that raises.

    The folder around it is made. Raises OptionError, which calls the file `what`, where it cannot be written.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            if part.is_dir() and path.is_dir():  # a folder is not replaced by one rename where it holds something
                shutil.rmtree(path)
            os.replace(part, path)
        finally:
            if part.is_dir():
                shutil.rmtree(part)
            part.unlink(missing_ok=True)
    except OSError as error:
        raise OptionError(f"{what} cannot be written to {path}: {error.strerror or error}.") from error
