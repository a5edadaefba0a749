"""Whose turn it is: runs of all sessions compute one at a time, short ones before long ones.

A run computes in its own thread, and only while it is its turn; where it reports its progress it gives way to a shorter
one. Nobody is delayed for ever: what later runs take before a run is together at most its own cost.
"""

import threading
from collections.abc import Callable, Hashable
from typing import Any

LOOK = 0.3  # seconds between two looks of a waiting run whether it is still wanted


class Turn:
    """The place of one run.

    Parameters
    ----------
    cost
        Of all its work, in any unit that is the same for all runs.
    session
        Whose run it is: a session's runs compute one after the other. None is nobody's.
    """

    def __init__(self, cost: float, session: Hashable = None) -> None:
        self.cost, self.session = cost, session
        self.share = 0.0  # of its work that is done
        self.begun = False
        self.patience = cost  # the work of later runs that it may still have to wait for

    @property
    def left(self) -> float:
        """What its remaining work costs."""
        return self.cost * (1 - self.share)


class Turns:
    """The turns of a server."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._unfinished: list[Turn] = []  # in the order of arrival
        self._now: Turn | None = None

    def add(self, turn: Turn) -> None:
        """It arrives, and waits until `wait` returns."""
        with self._changed:
            self._unfinished.append(turn)
            self._changed.notify_all()

    def take(self, turn: Turn) -> bool:
        """Whether it is its turn, which it then is until it finishes, or asks while a shorter one waits."""
        with self._changed:
            if self._now is turn and self._next() is not turn:
                self._now = None
                self._changed.notify_all()
            if self._now is None and self._next() is turn:
                self._begin(turn)
            return self._now is turn

    def wait(self, turn: Turn, check: Callable[[], Any]) -> None:
        """Return when it is its turn; `check` is called meanwhile, and may raise to end the wait."""
        with self._changed:
            while not self.take(turn):
                self._changed.wait(LOOK)
                check()

    def finish(self, turn: Turn) -> None:
        """It is done, or no longer wanted; once more does no harm."""
        with self._changed:
            if turn in self._unfinished:
                self._unfinished.remove(turn)
            if self._now is turn:
                self._now = None
            self._changed.notify_all()

    def ahead(self, turn: Turn) -> int:
        """How many others have begun or came earlier; 0 while it is its turn."""
        with self._changed:
            if self._now is turn or turn not in self._unfinished:
                return 0
            came = self._unfinished.index(turn)
            return sum(other.begun or place < came for place, other in enumerate(self._unfinished) if other is not turn)

    def _begin(self, turn: Turn) -> None:
        self._now = turn
        if not turn.begun:
            turn.begun = True
            for other in self._before(turn):
                other.patience -= turn.cost

    def _next(self) -> Turn | None:
        """The one with the least work left, of those that may compute; the first that came always may."""
        return min((turn for turn in self._heads() if self._may(turn)), key=lambda turn: turn.left, default=None)

    def _may(self, turn: Turn) -> bool:
        return turn.begun or all(turn.cost <= other.patience for other in self._before(turn))

    def _before(self, turn: Turn) -> list[Turn]:
        """Those that came earlier and wait for other sessions only."""
        heads = self._heads()
        return heads[: heads.index(turn)]

    def _heads(self) -> list[Turn]:
        """The first of each session, as they came."""
        sessions, heads = set(), []
        for turn in self._unfinished:
            if turn.session is None or turn.session not in sessions:
                heads.append(turn)
            sessions.add(turn.session)
        return heads
