"""Progress bars of the command line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from zoomdiff.errors import printable

if TYPE_CHECKING:
    from zoomdiff.levels import Hierarchy


def stage_bars(hierarchy: "Hierarchy") -> Callable[[int, int, int], None]:
    """An `on_step` for `generate` that shows a progress bar per stage."""
    from tqdm import tqdm  # as late as all else: --help needs no bar

    bars: dict[int, tqdm[NoReturn]] = {}

    def on_step(k: int, step: int, steps: int) -> None:
        if step == 1:
            words = f"Stage {k + 1} of {len(hierarchy)}: {hierarchy[k].title}"
            layout = "{desc} {bar} step {n_fmt} of {total_fmt} {elapsed}"
            bars[k] = tqdm(total=steps, desc=f"{words:42}", bar_format=layout)
        bars[k].update()
        if step == steps:
            bars.pop(k).close()

    return on_step


@contextmanager
def download_bar() -> Iterator[Callable[[str, float | None], None]]:
    """An `on_progress` for `read_map`: a bar for each thing that is done to get a map, closed when the block ends."""
    from tqdm import tqdm

    bars: dict[str, tqdm[NoReturn]] = {}

    def finish() -> None:
        for bar in bars.values():
            bar.close()
        bars.clear()

    def on_progress(what: str, share: float | None) -> None:
        known = share is not None
        if what not in bars:
            finish()
            layout = "{desc} {bar} {percentage:3.0f} % {elapsed}" if known else "{desc} {elapsed}"
            bars[what] = tqdm(total=100, desc=f"{printable(what):42}", bar_format=layout, leave=known)
        bars[what].update(0 if share is None else 100 * share - bars[what].n)
        if share == 1:
            bars[what].close()

    try:
        yield on_progress
    finally:
        finish()
