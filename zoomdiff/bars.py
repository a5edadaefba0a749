"""Progress bars of the command line."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

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


def download_bar() -> Callable[[str, float | None], None]:
    """An `on_progress` for `read_map`: a bar for each thing that is done to get a map, where one is downloaded."""
    from tqdm import tqdm

    bars: dict[str, tqdm[NoReturn]] = {}

    def on_progress(what: str, share: float | None) -> None:
        if what not in bars:
            for finished in bars.values():
                finished.close()
            bars.clear()
            bars[what] = tqdm(total=100, desc=f"{what:42}", bar_format="{desc} {bar} {percentage:3.0f} % {elapsed}")
        bar = bars[what]
        if share is not None:
            bar.update(100 * share - bar.n)
        if share == 1:
            bar.close()

    return on_progress
