"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoomdiff.errors import OptionError


@contextmanager
def whole_file(path: str | Path, what: str = "The file") -> Iterator[Path]:
    """A path to write to; what was written appears at `path` when the block ends, and nothing where it raises.

    The folder is made. Raises OptionError, which calls the file `what`, where it cannot be written.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise OptionError(f"{what} cannot be written to {path}: {error.strerror or error}.") from error
