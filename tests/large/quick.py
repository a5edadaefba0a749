"""What the tests of large runs share."""

import hashlib
from pathlib import Path

from zoomdiff.sampling import Sampling

QUICK = Sampling(steps=1)


def digest(store: Path) -> dict[str, str]:
    """The SHA-256 of each file of a store."""
    files = (file for file in store.rglob("*") if file.is_file())
    return {str(file.relative_to(store)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
