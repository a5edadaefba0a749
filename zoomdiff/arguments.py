"""Arguments of public calls: one sentence for a value of a wrong type or out of its range, which it names."""

import math
import os
from collections.abc import Collection, Iterable
from operator import index
from pathlib import Path

from zoomdiff.errors import OptionError, ZoomDiffError

LONGEST = 60  # characters of a value that a sentence shows
SEEDS = range(2**63)


def wrong(what: str, value: object, valid: str, error: type[ZoomDiffError] = OptionError) -> ZoomDiffError:
    """The error: "The tile must be a whole number from 1, not 1.5."."""
    return error(f"{what} must be {valid}, not {shown(value)}.")


def shown(value: object) -> str:
    """A value in a sentence: one line, and the beginning of a long one."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python writes no whole number of thousands of digits, and nothing very deep
        return "what is too long to show"
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}..."
    return " ".join(text.split())


def instance(
    what: str,
    value: object,
    kind: type | tuple[type, ...],
    valid: str,
    error: type[ZoomDiffError] = OptionError,
) -> None:
    """Raise `error` unless the value is an instance of `kind`."""
    if not isinstance(value, kind):
        raise wrong(what, value, valid, error)


def whole(what: str, value: object, among: range, valid: str | None = None) -> int:
    """The value as Python's whole number, whichever library it is of. Raises OptionError."""
    valid = valid or f"a whole number from {among[0]:,} to {among[-1]:,}"
    try:
        number = None if isinstance(value, bool) else index(value)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        number = None
    if number is None or number not in among:
        raise wrong(what, value, valid)
    return number


def seed_of(value: object) -> int:
    """A seed. Raises OptionError."""
    return whole("The seed", value, SEEDS, "a whole number from 0 to 2^63 - 1")


def seeds_of(values: object) -> list[int]:
    """Several seeds. Raises OptionError."""
    if not isinstance(values, Iterable) or isinstance(values, str | bytes):
        raise wrong("The seeds", values, "several whole numbers, such as range(20)")
    return [seed_of(value) for value in values]


def number(
    what: str, value: object, valid: str | None = None, least: float = -math.inf, most: float = math.inf
) -> float:
    """A finite number from `least` to `most`, of whichever library. Raises OptionError."""
    try:
        if isinstance(value, bool | str | bytes):
            raise TypeError
        found = float(value)  # type: ignore[arg-type]  # that is the question
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not (math.isfinite(found) and least <= found <= most):
        raise wrong(what, value, valid or f"a number from {least:,g} to {most:,g}")
    return found


def choice(what: str, value: object, among: Collection[str]) -> None:
    """Raise OptionError unless the value is one of the names."""
    if not isinstance(value, str) or value not in among:
        raise wrong(what, value, f"one of {'; '.join(among)}")


def text(what: str, value: object, most: int) -> None:
    """Raise OptionError unless the value is one line of text of at most so many characters."""
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise wrong(what, value, f"one line of text with at most {most:,} characters")


def four_numbers(what: str, value: object, error: type[ZoomDiffError]) -> tuple[float, float, float, float]:
    """Four numbers as (west, south, east, north), which may still be out of their range. Raises `error`."""
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        west, south, east, north = (float(v) for v in value)  # type: ignore[attr-defined]  # that is the question
    except (TypeError, ValueError, OverflowError):
        raise wrong(what, value, "four numbers (west, south, east, north) in degrees", error) from None
    return west, south, east, north


def path_of(what: str, value: object, error: type[ZoomDiffError] = OptionError) -> Path:
    """A path, with ~ for the home folder. Raises `error` where the value is none, or empty."""
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise wrong(what, value, "a path, as text or as a Path", error)
    try:
        return Path(value).expanduser()
    except RuntimeError:  # ~somebody who is unknown here
        return Path(value)


def no_number(constant: str) -> float:
    """As `parse_constant` of json: NaN and Infinity are no JSON. Raises ValueError."""
    raise ValueError(f"{constant} is no number")
