"""Comparing results: a dataclass that holds arrays cannot be compared by dataclasses' own `==`."""

from dataclasses import fields

import numpy as np


class ByContent:
    """For a dataclass with eq=False: equal to another of its class if all compared fields are, arrays by their numbers.

    Like arrays, such objects have no hash.
    """

    __hash__ = None  # type: ignore[assignment]  # as for a list

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        compared = [each.name for each in fields(self) if each.compare]  # type: ignore[arg-type]  # see the class
        return all(_same(getattr(self, name), getattr(other, name)) for name in compared)


def _same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(np.asarray(a), np.asarray(b))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)
