"""Files: the folder of what ships with the package; files, and sets of files, that are written whole or not at all."""

import ctypes
import glob
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from zoomdiff.arguments import path_of
from zoomdiff.errors import OptionError, is_utf8, printable

if sys.platform != "win32":  # where files are whole, but two writers are not kept apart
    import fcntl

AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux's fcntl.h and stdio.h
TRIAL = "zoomdiff-trial"  # name of what `target` makes and removes
ABOUT = "_about.json"  # what a folder with the parts of a data set is; readers of data sets leave out names with _
MADE = ("zarr.json", ABOUT)  # in a folder that is a result as a whole
_PACKAGE = Path(__file__).parent
# Inside the installed package, beside it in a checkout: pyproject.toml maps the folder into the wheel.
ASSETS = next(folder for folder in (_PACKAGE / "assets", _PACKAGE.parent / "assets") if folder.is_dir())


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits. Raises OSError."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder. Raises OSError."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def target(path: str | Path, what: str, *, is_folder: bool = False) -> Path:
    """The path, ~ resolved, of a file or of a folder for files, once it is clear that it can be written to.

    Asked before a long run, and tried, as permissions do not say all: nothing can be made in /proc, for example. Raises
    OptionError, which calls the file `what`.
    """
    path = path_of(what, path)
    try:
        place = _resolved(path)
        folder = place if is_folder else place.parent
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
        if loops := [each for each in (place, *place.parents) if each.is_symlink()]:
            reason = f"{loops[0]} is a link that leads to itself"
        elif not is_folder and place.is_dir():
            reason = "a folder has that name"
        elif not is_folder and place.exists() and not place.is_file():
            reason = "it is a pipe or a device"
        elif not nearest.is_dir():
            reason = f"{nearest} is a file and not a folder"
        else:
            _try(nearest, folder, place.name)
            return path
    except (OSError, ValueError) as error:  # ValueError: a name with the character 0
        reason = getattr(error, "strerror", None) or str(error)
    raise OptionError(f"{what} cannot be written to {path}: {reason}; choose another place.")


def with_ending(path: Path, ending: str, what: str) -> Path:
    """The path. Raises OptionError, which calls the file `what`, where its name has another ending."""
    if path.suffix.lower() != ending:
        raise OptionError(f"{what} {path.name} must be a {ending[1:].upper()}: give a name that ends in {ending}.")
    return path


def _try(nearest: Path, folder: Path, name: str) -> None:
    """Make what is missing of a folder, and a file in it, where it is removed again. Raises OSError."""
    try:
        with (
            _private(nearest, TRIAL) as trial,
            _private(trial / folder.relative_to(nearest), name) as scratch,
        ):
            (scratch / "file").touch()
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror or error} in {nearest}") from error


@contextmanager
def whole_file(path: str | Path, what: str = "The file") -> Iterator[Path]:
    """A path to write a file or a folder to; it appears at `path` when the block ends, and not where that raises.

    The folder around it is made. Raises OptionError, which calls the file `what`, where it cannot be written.
    """
    path = _resolved(Path(path))
    with _one_sentence(path, what), _private(path.parent, path.name) as scratch, _plain(scratch) as plain:
        part = plain / _plain_name(path)
        yield part
        sync(part)
        if part.is_dir() and path.is_dir():
            _exchange(part, path)
        else:
            os.replace(part, path)


@contextmanager
def whole_set(folder: str | Path, what: str = "The results") -> Iterator[Path]:
    """A private folder to write files to; when the block ends they are all in `folder`, at one moment, or none is.

    What else is in `folder` stays. A process that is killed leaves the old files or the new ones, never some of each,
    and two that write at a time do so one after the other. Only where `folder` cannot be replaced as a whole (it is a
    mount point, or the working directory, or the folder around it is write-protected), its files are replaced one after
    the other, in an instant.

    Raises
    ------
    OptionError
        They cannot be written, or a folder has the name of a file; `what` is what it calls them.
    """
    folder = _resolved(Path(folder))
    with _one_sentence(folder, what):
        inside = folder.is_dir() and (
            folder.is_mount() or Path.cwd().is_relative_to(folder) or not os.access(folder.parent, os.W_OK)
        )
        with _private(folder if inside else folder.parent, folder.name) as scratch, _plain(scratch) as plain:
            new = scratch / _plain_name(folder)
            new.mkdir()
            yield plain / new.name
            sync(new)
            with _locked(scratch.parent):
                _put_in(new, folder, inside=inside)


def check_free(path: Path, *, is_folder: bool = False) -> None:
    """Raise OptionError where something else has the name of a file, a store or a data set, which must not be lost."""
    if is_folder and path.exists() and not any((path / name).is_file() for name in MADE):
        raise OptionError(
            f"{path} exists and is not a Zarr store or a data set of ZoomDiff: remove it or choose another folder."
        )
    if not is_folder and path.is_dir():
        raise OptionError(f"The results cannot be written to {path}: a folder has that name.")


def _put_in(new: Path, folder: Path, *, inside: bool) -> None:
    """Move the files of a new folder into a folder that may exist; nobody else does so at this time."""
    for part in new.iterdir():
        check_free(folder / part.name, is_folder=part.is_dir())
    if not folder.exists():
        os.replace(new, folder)
    elif inside:
        for part in new.iterdir():
            if part.is_dir() and (folder / part.name).is_dir():
                _exchange(part, folder / part.name)
            else:
                os.replace(part, folder / part.name)
    else:
        shutil.copystat(folder, new)
        for other in folder.iterdir():  # what stays is linked, not copied
            if not (new / other.name).exists():
                _link(other, new / other.name)
        _exchange(new, folder)
    _sync_folder(folder.parent)


def _link(source: Path, link: Path) -> None:
    """Another name for a file, or a folder of such names for a folder."""
    if source.is_symlink():
        link.symlink_to(os.readlink(source))
    elif source.is_dir():
        shutil.copytree(source, link, symlinks=True, copy_function=_link_or_copy)
    else:
        _link_or_copy(source, link)


def _link_or_copy(source: str | Path, link: str | Path) -> None:
    try:
        os.link(source, link)
    except OSError:  # a file system without links
        shutil.copy2(source, link)


def _exchange(one: Path, other: Path) -> None:
    """Two folders change places, at one moment where the system can do so (Linux: renameat2)."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    if renameat2 and renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return
    aside = one.with_name(f"{one.name}.old")
    os.replace(other, aside)
    os.replace(one, other)
    os.replace(aside, one)


@contextmanager
def _private(parent: Path, name: str) -> Iterator[Path]:
    """A folder in `parent` of this process only, removed in the end; those of processes that died are removed first."""
    parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{name}.writing-"
    with ExitStack() as life:
        with _locked(parent):  # nobody may take a new folder for one of a dead process
            for left in parent.glob(f"{glob.escape(prefix)}*"):
                with suppress(BlockingIOError), _locked(left / "alive", wait=False):
                    shutil.rmtree(left, ignore_errors=True)
            scratch = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            life.enter_context(_locked(scratch / "alive"))
        life.callback(_remove, scratch)
        yield scratch


@contextmanager
def _plain(folder: Path) -> Iterator[Path]:
    """The folder by a path that native libraries can write to: a link to it where its own path is no UTF-8."""
    if is_utf8(str(folder)):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="zoomdiff-") as beside:
        link = Path(beside, "folder")
        link.symlink_to(folder, target_is_directory=True)
        yield link


def _plain_name(path: Path) -> str:
    return path.name if is_utf8(path.name) else printable(path.name)


def _remove(scratch: Path) -> None:
    with _locked(scratch.parent):  # nobody looks at it half removed
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a folder, which is made if it is missing; with `wait` off, raises BlockingIOError if taken."""
    if sys.platform == "win32":
        yield
        return
    folder.mkdir(exist_ok=True)
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(opened)  # which gives the lock back


def sync(path: Path) -> None:
    """A file, or all in a folder, is on the disk and not only on its way there."""
    for each in [path, *path.rglob("*")] if path.is_dir() else [path]:
        if each.is_file():
            with each.open("rb") as file:
                os.fsync(file.fileno())
        else:
            _sync_folder(each)


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # which opens no folders
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _resolved(path: Path) -> Path:
    """Where a path leads, so that a link stays a link."""
    return Path(os.path.realpath(path))


@contextmanager
def _one_sentence(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OptionError(f"{what} cannot be written to {path}: {error.strerror or error}.") from error
