"""The benchmarks are run from the repository's root: tests find them there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
