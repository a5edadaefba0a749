"""Turns: short runs before long ones, and nobody waits for ever."""

import threading

from hypothesis import given
from hypothesis import strategies as st
from zoomdiff.app.turns import Turn, Turns

PATIENCE = 60  # seconds until a thread that hangs fails a test


def served(costs: list[float], arrive_at: list[int]) -> list[int]:
    """Runs in the order in which they end; each works in steps of cost 1, and arrives after so many steps of all."""
    turns, runs, ended, step = Turns(), [Turn(cost) for cost in costs], [], 0
    waiting = dict(enumerate(runs))
    here: dict[int, Turn] = {}
    while waiting or here:
        if not here:  # nothing to do until then
            step = max(step, min(arrive_at[n] for n in waiting))
        for number in [n for n in waiting if arrive_at[n] <= step]:
            here[number] = waiting.pop(number)
            turns.add(here[number])
        number = next(n for n in here if turns.take(here[n]))
        here[number].share = min(1.0, here[number].share + 1 / costs[number])
        step += 1
        if here[number].share > 1 - 1e-9:
            turns.finish(here.pop(number))
            ended.append(number)
    return ended


def test_equal_runs_are_served_as_they_come():
    assert served([5, 5, 5], [0, 0, 0]) == [0, 1, 2]


def test_a_short_run_overtakes_a_long_one_that_has_begun():
    assert served([100, 2], [0, 10]) == [1, 0]


def test_it_does_not_where_the_long_one_is_nearly_done():
    assert served([100, 5], [0, 98]) == [0, 1]


def test_a_long_run_waits_for_no_more_than_its_own_cost():
    assert served([6, 2, 2, 2, 2, 2], [0] * 6) == [1, 2, 3, 0, 4, 5]


def test_runs_of_a_session_are_served_one_after_the_other():
    turns, long, short, other = Turns(), Turn(100, "mine"), Turn(1, "mine"), Turn(10, "yours")
    for turn in (long, short, other):
        turns.add(turn)
    assert turns.take(other) and not turns.take(short)
    turns.finish(other)
    assert turns.take(long) and turns.ahead(short) == 1
    turns.finish(long)
    assert turns.take(short) and turns.ahead(short) == 0


def test_one_that_is_finished_twice_or_before_it_began_is_in_nobody_s_way():
    turns, first, second = Turns(), Turn(1), Turn(2)
    turns.add(first)
    turns.add(second)
    turns.finish(first)
    turns.finish(first)
    assert turns.ahead(second) == 0 and turns.take(second) and not turns.take(first)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 30)), min_size=1, max_size=8))
def test_nobody_is_delayed_by_later_runs_for_longer_than_its_own_cost(runs):
    runs.sort(key=lambda run: run[1])
    costs = [float(cost) for cost, _ in runs]
    ended = served(costs, [arrives for _, arrives in runs])
    assert sorted(ended) == list(range(len(runs)))
    for number, cost in enumerate(costs):
        later = [n for n in ended[: ended.index(number)] if n > number]
        assert sum(costs[n] for n in later) <= cost


def test_only_one_computes_at_a_time():
    turns, at_once, most = Turns(), 0, 0
    lock = threading.Lock()

    def work(turn: Turn) -> None:
        nonlocal at_once, most
        for step in range(20):
            turns.wait(turn, lambda: None)
            with lock:
                at_once += 1
                most = max(most, at_once)
            with lock:
                at_once -= 1
            turn.share = (step + 1) / 20
        turns.finish(turn)

    runs = [Turn(cost) for cost in (30, 3, 20, 1, 7)]
    for turn in runs:
        turns.add(turn)
    threads = [threading.Thread(target=work, args=(turn,)) for turn in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert most == 1 and not [thread for thread in threads if thread.is_alive()]
