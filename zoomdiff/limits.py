"""What reading one file from outside may cost, and open: the limits of the child processes of `isolation`."""

import os
import signal
import sys
import tempfile
from pathlib import Path

from zoomdiff.errors import OptionError

MEMORY_GB = 1.5  # that reading one file may take; ZOOMDIFF_READ_GB sets another limit
SECONDS, SECONDS_PER_MB = 4.0, 2.0  # of processor time: a file of 1 MB has 6 s
SECONDS_AFTER_READING = 30.0  # where what was read is worked with
OPEN_FILES = 64
LIBRARIES = ("/usr/lib", "/lib", "/lib64", "/usr/local/lib", "/usr/share/zoneinfo", "/dev/urandom", "/proc/self")
# Processor time cannot exceed time by the clock by more than the cores; on a busy machine the clock is slower.
CLOCK_PER_CPU = 10


class Limits:
    """What the reading of one file may cost.

    Attributes
    ----------
    name
        Of the file, for messages.
    path
        The file or folder; None for a text.
    others
        Files that are read with it.
    into
        Folders that are written to.
    folder
        From which relative paths lead: the caller's, which may have changed since the server started.
    memory
        Bytes, beyond what the process has at the start.
    seconds
        Of processor time.
    """

    def __init__(
        self, source: object, others: list[Path], into: list[Path], name: str | None, seconds_per_mb: float | None
    ) -> None:
        self.others, self.into = others, into
        try:
            self.folder = os.getcwd()
        except OSError:  # it is deleted
            self.folder = os.sep
        self.memory = memory_limit()
        self.path: Path | None = None
        if name is not None:
            self.name, self.seconds = name, SECONDS_AFTER_READING
            return
        if isinstance(source, bytes) or (isinstance(source, str) and (source[:1] in "{[" or len(source) > 1000)):
            self.name, size = "The text", len(source)
        else:
            self.path = Path(str(source)).absolute()
            self.name, size = self.path.name, _size(self.path)
        self.seconds = SECONDS + (seconds_per_mb or SECONDS_PER_MB) * size / 1e6

    def apply(self, scratch: str) -> None:
        """Set the limits of this process, which may write to the folder `scratch` only."""
        import resource  # where there is `fork`

        if (used := Path("/proc/self/statm")).exists():  # elsewhere the system does not keep to RLIMIT_AS
            size = int(used.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") + self.memory
            resource.setrlimit(resource.RLIMIT_AS, (size, size))
        seconds = int(self.seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        signal.alarm(CLOCK_PER_CPU * seconds)  # a child that waits ends, too, where nobody is left who could kill it
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.memory, self.memory))
        tempfile.tempdir = scratch
        _open_only(self.paths, [Path(scratch), *self.into])

    @property
    def paths(self) -> list[Path]:
        """All that is read."""
        return [] if self.path is None else [self.path, *self.others]


def _open_only(paths: list[Path], folders: list[Path]) -> None:
    """From now on this process opens only these files and folders, and those of Python and of the system's libraries.

    It writes to `folders` only.

    Drivers are pinned, but a file of the right kind can name others too: HDF5 has external links and external storage.
    Linux has the means, Landlock, since 5.13; elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return
    from landlock import FSAccess, Ruleset, landlock_abi_version

    try:
        landlock_abi_version()
    except OSError:  # the kernel is older, or it is switched off
        return
    packages = [path for path in sys.path if path.endswith("-packages")]  # not a script's folder, or its user's files
    own = str(Path(__file__).parent)
    program = [Path(path) for path in (sys.prefix, sys.base_prefix, own, *packages, *LIBRARIES)]
    ruleset = Ruleset()
    for path in {*program, *paths}:
        if path.exists():
            read = FSAccess.READ_FILE | FSAccess.READ_DIR if path.is_dir() else FSAccess.READ_FILE
            ruleset.allow(path, rules=read)
    for folder in folders:
        ruleset.allow(folder)
    ruleset.apply()


def memory_limit() -> int:
    """Bytes that reading one file may take. Raises OptionError for a setting that is no number."""
    text = os.environ.get("ZOOMDIFF_READ_GB")
    try:
        gigabytes = float(text) if text else MEMORY_GB
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes < 1e6:
        raise OptionError(f"ZOOMDIFF_READ_GB={text!r} is not a number of gigabytes: set it to 4, for example.")
    return int(gigabytes * 1e9)


def _size(path: Path) -> int:
    """Bytes of a file, or of the files in a folder; 0 where it cannot be seen."""
    try:
        files = list(path.iterdir()) if path.is_dir() else [path]
        return sum(file.stat().st_size for file in files if file.is_file())
    except (OSError, ValueError):
        return 0
