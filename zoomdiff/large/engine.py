"""Who does the pieces: this process, or workers of Ray, on this machine or on a cluster."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any, Protocol

from zoomdiff.checkpoint import save_model
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.errors import OptionError, ZoomDiffError
from zoomdiff.large.layout import Window
from zoomdiff.large.store import Receipt
from zoomdiff.large.work import Job, Worker

Running = dict[Any, tuple[Window, Any]]  # task -> its piece and actor
QUIET = {"log_to_driver": False, "logging_level": "error"}
TRIES = 4  # of a piece whose worker ends each time
OnRetry = Callable[[str, int], None]  # (pass, pieces that were begun again in the run)


class Engine(Protocol):
    """Does the pieces of a pass."""

    def do(self, job: Job, stage: str, pieces: Iterable[Window]) -> Iterator[tuple[Window, Receipt]]:
        """Yields each piece with its receipt when it is done, in any order."""

    def close(self) -> None:
        """Nothing more is to be done."""


class Here:
    """One piece after the other, in this process.

    Parameters
    ----------
    model
        That of the job.
    """

    def __init__(self, model: DRDM) -> None:
        self._model = model

    def do(self, job: Job, stage: str, pieces: Iterable[Window]) -> Iterator[tuple[Window, Receipt]]:
        """As `Engine.do`."""
        worker = Worker(self._model, job)
        for piece in pieces:
            yield piece, worker.do(stage, piece)

    def close(self) -> None:
        """As `Engine.close`."""


class Cluster:
    """Actors of Ray, each with the model and one processor, or one GPU where the cluster has any.

    Parameters
    ----------
    model
        That of the job.
    workers
        How many on this machine; or the address of a cluster that runs, "auto" for that of this machine.
    on_retry
        Called when a worker has ended and its piece is begun again by a new one.

    Raises
    ------
    OptionError
        Ray is not installed, or there is no such cluster.
    """

    def __init__(self, model: DRDM, workers: int | str, on_retry: OnRetry | None = None) -> None:
        try:
            ray: Any = import_module("ray")
        except ImportError as error:
            raise OptionError(
                "Several workers need Ray: install it with pip install 'zoomdiff[scale]', or leave out --workers."
            ) from error
        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            try:
                if isinstance(workers, int):
                    ray.init(num_cpus=workers, include_dashboard=False, **QUIET)
                else:
                    ray.init(address=workers, **QUIET)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise OptionError(f"There is no Ray cluster at {workers}: start it with 'ray start --head'.") from error
        has = ray.cluster_resources()
        unit = "GPU" if has.get("GPU") else "CPU"
        needs = {"num_cpus": 1, "num_gpus": int(unit == "GPU")}
        self._count = workers if isinstance(workers, int) else int(has[unit])
        self._remote = ray.remote(**needs)(Worker)
        self._model = model
        self._actors: list[Any] = []
        self._on_retry = on_retry or (lambda stage, retried: None)
        self._retried = 0

    def do(self, job: Job, stage: str, pieces: Iterable[Window]) -> Iterator[tuple[Window, Receipt]]:
        """As `Engine.do`."""
        ray, weights = self._ray, job.store.run / "model.safetensors"
        if not self._actors:
            save_model(self._model, weights)
            self._actors = [self._remote.remote(weights, job) for _ in range(self._count)]
        for actor in self._actors:
            actor.set_job.remote(job)
        waiting: Iterator[Window] = iter(pieces)
        running: Running = {}
        tries: Counter[Window] = Counter()
        for actor in self._actors:
            self._next(actor, stage, waiting, running)
        while running:
            ready, _ = ray.wait(list(running))
            piece, actor = running.pop(ready[0])
            try:
                receipt = ray.get(ready[0])
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, ZoomDiffError | OSError):
                    raise error.cause from error
                raise
            except ray.exceptions.RayError as error:  # the worker has ended, or its machine
                tries[piece] += 1
                if tries[piece] == TRIES:
                    raise OptionError(
                        f"The worker ended {TRIES} times at one piece of the pass {stage}; if memory is short, give "
                        "fewer --workers. The same command goes on there."
                    ) from error
                self._retried += 1
                self._on_retry(stage, self._retried)
                self._actors.remove(actor)
                self._actors.append(self._remote.remote(weights, job))
                running[self._actors[-1].do.remote(stage, piece)] = piece, self._actors[-1]
                continue
            self._next(actor, stage, waiting, running)
            yield piece, receipt

    def _next(self, actor: Any, stage: str, waiting: Iterator[Window], running: Running) -> None:
        piece = next(waiting, None)
        if piece is not None:
            running[actor.do.remote(stage, piece)] = piece, actor

    def close(self) -> None:
        """As `Engine.close`."""
        if self._started:
            self._ray.shutdown()
