"""Which blocks of a city a model may learn from, and which it is tested on: split by space, never by shuffling grids.

A city is cut across its longer side into a test band (a contiguous fifth of its blocks), a gap of one block on either
side, and the training ground. The split is kept in a small JSON file whose maps a person can read; the shipped model
and every model of the benchmark use the same, assets/splits.json.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from zoomdiff.errors import DataError
from zoomdiff.files import ASSETS, whole_file
from zoomdiff.isolation import check_file
from zoomdiff.region import Region

MOST_BYTES = 10_000_000  # of a file

TRAIN, GAP, TEST = ".", " ", "#"
TEST_SHARE = 0.2


@dataclass(frozen=True)
class Split:
    """The blocks of one city, by the frame of its region.

    epsg, row, col  zone and first block of the frame in its raster, as in `Region`
    blocks          one string per row of blocks, row 0 in the north: "." train, "#" test, " " gap between them
    """

    epsg: int
    row: int
    col: int
    blocks: tuple[str, ...]

    def mask(self, part: str) -> np.ndarray:
        """(rows, cols) bool of the blocks of TRAIN, TEST or GAP."""
        mask: np.ndarray = np.array([list(row) for row in self.blocks]) == part
        return mask

    def legend(self, side: float) -> str:
        """What the rows of `blocks` show, as a sentence; `side` of a block in metres."""
        number = {part: "".join(self.blocks).count(part) for part in (TRAIN, TEST, GAP)}
        return (
            f"A sign is a block of {side:g} x {side:g} m, north is up: {number[TRAIN]:,} for training ({TRAIN}), "
            f"{number[TEST]:,} for testing ({TEST}), {number[GAP]:,} in the gap between them (blank)."
        )

    def fits(self, region: Region) -> bool:
        """Whether it was made for this region's frame."""
        shape = len(self.blocks), len(self.blocks[0])
        return (self.epsg, self.row, self.col, shape) == (region.epsg, region.row, region.col, region.blocks.shape)


def band_split(region: Region, people: np.ndarray) -> Split:
    """Test on the band that holds most nearly a fifth of the people; people (H, W) on the finest raster.

    So the band runs through town and outskirts alike, and both parts stay contiguous. Raises DataError for a city of
    fewer than five blocks along its longer side.
    """
    size, axis = max(region.blocks.shape), int(np.argmax(region.blocks.shape))
    if size < 5:
        raise DataError(f"A city of {size} blocks is too small to be split: five are needed along the longer side.")
    width = max(1, round(TEST_SHARE * size))
    along = people.sum(1 - axis).reshape(size, -1).sum(1)  # people per row or column of blocks
    share = np.convolve(along, np.ones(width), "valid") / max(along.sum(), 1e-9)
    first = int(np.abs(share - TEST_SHARE).argmin())
    line = np.full(size, TRAIN)
    line[max(0, first - 1) : first + width + 1] = GAP
    line[first : first + width] = TEST
    blocks = np.broadcast_to(line[:, None] if axis == 0 else line[None], region.blocks.shape)
    return Split(region.epsg, region.row, region.col, tuple("".join(row) for row in blocks))


def held_out_split(region: Region) -> Split:
    """All of a city for testing: how well a model does where it has never been."""
    rows, cols = region.blocks.shape
    return Split(region.epsg, region.row, region.col, (TEST * cols,) * rows)


def write_splits(path: Path, splits: dict[str, Split]) -> None:
    """Splits by the name of the city's map; the folder is made."""
    with whole_file(path, "The splits") as part:
        part.write_text(json.dumps({name: asdict(split) for name, split in splits.items()}, indent=1) + "\n")


def read_splits(path: str | Path) -> dict[str, Split]:
    """What `write_splits` wrote; "shipped" is the file of the shipped model, wherever it is installed.

    Raises
    ------
    DataError
        If the file cannot be read or is not a file of splits.
    """
    path = ASSETS / "splits.json" if path == "shipped" else Path(path)
    check_file(path, DataError, MOST_BYTES)
    try:
        rows = json.loads(path.read_text())
        splits = {name: Split(**(row | {"blocks": tuple(row["blocks"])})) for name, row in rows.items()}
        for name, split in splits.items():
            if len({len(row) for row in split.blocks}) != 1 or set("".join(split.blocks)) - {TRAIN, GAP, TEST}:
                raise DataError(f"{path.name}: the blocks of {name} are not equal rows of '.', '#' and ' '.")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path.name} is not a file of splits.") from error
    return splits
