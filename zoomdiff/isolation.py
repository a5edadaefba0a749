"""Files from outside are read in a child process with limits, which can die alone.

Native readers (GDAL, HDF5, Arrow, GEOS) can crash on a damaged file, and a small file can ask for gigabytes or minutes.
A function decorated with `isolated` runs in a child process; whatever happens there, the caller gets its result or an
error of one sentence.

The first call starts a server process, which imports the readers once and forks a child for each call. It is not
multiprocessing's forkserver, which imports the caller's main module again: a user's script, or Streamlit's.

What a child sends back is unpickled: the child protects from crashes and from greed, not from a reader that an attacker
has taken over, which runs as the same user.
"""

import atexit
import errno
import importlib
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import update_wrapper
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Generic, ParamSpec, TypeVar

from zoomdiff import gdal
from zoomdiff.errors import ZoomDiffError, is_utf8, printable
from zoomdiff.limits import CLOCK_PER_CPU, Limits

P = ParamSpec("P")
R = TypeVar("R")
OnWait = Callable[[], None]

LOOK, FIRST_LOOK = 0.1, 1.0  # seconds between two calls of `on_wait`, and before the first: most files need less

# The modules that the caller can import can be imported there too, but its own folders hide none of Python's.
SERVE = """
import sys
sys.path += [path for path in sys.argv[1:] if path not in sys.path]
import zoomdiff.isolation
zoomdiff.isolation.serve(0)
"""

_inside = False  # whether this process is such a child


class Isolated(Generic[P, R]):
    """A function that reads a file and runs in a child process.

    Its first argument is the path of the file or folder, or its content as text; with anything else (a DataFrame) it
    runs in this process, as it does on systems without `fork`. With a `name`, its arguments are what was read already.
    Arguments and results are pickled.

    Raises the error that `isolated` was given where the child dies, exceeds a limit, or raises what is not a
    ZoomDiffError; the function's own errors as they are.
    """

    def __init__(
        self,
        function: Callable[P, R],
        error: type[ZoomDiffError],
        also: str | None = None,
        into: str | None = None,
        name: str | None = None,
        seconds_per_mb: float | None = None,
    ) -> None:
        self.here = function  # to run it in this process, with files that are not from outside
        self.error = error
        self.also, self.into, self.name = also, into, name
        self.seconds_per_mb = seconds_per_mb
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's result. Raises its errors, and `error`."""
        return self.watched(None, *args, **kwargs)

    def _paths(self, name: str | None, kwargs: Mapping[str, object]) -> list[Path]:
        path = kwargs.get(name or "")
        return [Path(path).absolute()] if isinstance(path, str | Path) else []

    def watched(self, on_wait: OnWait | None, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same; `on_wait` is called while the child works, and an exception that it raises ends the child."""
        source = args[0]
        if _inside or not hasattr(os, "fork") or not (self.name or isinstance(source, str | bytes | Path)):
            return self.here(*args, **kwargs)
        limits = Limits(
            source, self._paths(self.also, kwargs), self._paths(self.into, kwargs), self.name, self.seconds_per_mb
        )
        for path in limits.paths:
            check_file(path, self.error)
        return _run(self.here, args, kwargs, limits, self.error, on_wait)


def check_file(path: Path, error: type[ZoomDiffError], most: int | None = None) -> None:
    """Raise `error` where a path leads to a pipe or a device, which may never end, or to more than `most` bytes.

    Where nothing is, whoever opens it says so.
    """
    try:
        about = path.stat()
    except (OSError, ValueError) as problem:
        if getattr(problem, "errno", None) == errno.ENAMETOOLONG:
            raise error(f"There is no file {path.name[:60]}...: its name is too long.") from problem
        return
    if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
        raise error(f"{path} is a pipe or a device: save what comes from it as a file first.")
    if most is not None and about.st_size > most:
        raise error(f"{path} has more than {most:,} bytes: it is another kind of file.")


def isolated(
    error: type[ZoomDiffError],
    also: str | None = None,
    into: str | None = None,
    name: str | None = None,
    seconds_per_mb: float | None = None,
) -> Callable[[Callable[P, R]], Isolated[P, R]]:
    """The decorator of functions that read a file from outside, or work with what was read of one.

    Parameters
    ----------
    error
        Raised where the child fails.
    also
        Keyword argument that may be the path of another file to read.
    into
        Keyword argument that may be the path of a folder to write to.
    name
        What the function works with, for messages, where that is no file.
    seconds_per_mb
        Processor time for each MB of the file, where it takes longer than reading.
    """
    return lambda function: Isolated(function, error, also, into, name, seconds_per_mb)


def _run(
    function: Callable[..., R],
    args: tuple[object, ...],
    kwargs: Mapping[str, object],
    limits: Limits,
    error: type[ZoomDiffError],
    on_wait: OnWait | None,
) -> R:
    """The result of the function in a child."""
    started = time.monotonic()
    begun = False
    try:
        with (
            _server().child(function.__module__) as connection,
            tempfile.TemporaryDirectory(prefix="zoomdiff-") as scratch,
        ):
            connection.send((function.__module__, function.__qualname__, args, kwargs, limits, scratch))
            pid: int = connection.recv()
            begun = True
            with _killed_on_error(pid):
                look = FIRST_LOOK
                while not connection.poll(look):
                    look = LOOK
                    if on_wait is not None:
                        on_wait()
                    if time.monotonic() - started > CLOCK_PER_CPU * limits.seconds:
                        raise TimeoutError
                kind, answer = connection.recv()
    except TimeoutError as reason:
        raise error(_too_long(limits)) from reason
    except (EOFError, OSError) as reason:
        if not begun:
            raise error(
                f"{limits.name} was not read: the process that reads files has ended (standard error may say why): "
                "try again."
            ) from reason
        if time.monotonic() - started >= limits.seconds:
            raise error(_too_long(limits)) from reason
        raise error(
            f"{limits.name} cannot be read: it crashes its reader, so it is damaged: export or download it again."
        ) from reason
    if kind == "result":
        result: R = answer
        return result
    if kind == "error":
        raise answer
    if kind == "memory":
        raise error(
            f"{limits.name} needs more than {limits.memory / 1e9:g} GB of memory to read: cut out your region or a "
            "shorter time, or set ZOOMDIFF_READ_GB to more."
        )
    raise error(
        f"{limits.name} cannot be read: it is damaged or of another kind: export or download it again."
    ) from RuntimeError(answer)


@contextmanager
def _killed_on_error(pid: int) -> Iterator[None]:
    """A child that has not answered ends with the block."""
    try:
        yield
    except BaseException:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        raise


def _too_long(limits: Limits) -> str:
    return f"{limits.name} takes longer than {limits.seconds:.0f} s: cut out your region, or simplify its shapes."


class _Server:
    """The process that forks the children.

    Attributes
    ----------
    owner
        The process that started it: a fork of that process needs another one.
    """

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-c", SERVE, *sys.path]
            self._process = subprocess.Popen(
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=_environment(), start_new_session=True
            )
        atexit.register(self.stop)

    @property
    def running(self) -> bool:
        return self.owner == os.getpid() and self._process.poll() is None

    @contextmanager
    def child(self, module: str) -> Iterator[Connection]:
        """A connection to a new child, which has imported a module."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with self._lock:
                socket.send_fds(self._control, [module.encode()], [theirs.fileno()])
            theirs.close()
            with Connection(os.dup(ours.fileno())) as connection:
                yield connection

    def stop(self) -> None:
        if self.owner == os.getpid():
            self._control.close()  # it ends when nobody can ask any more
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)


_starting = threading.Lock()
_running: list[_Server] = []


def _server() -> _Server:
    """The server of this process, started where it does not run."""
    with _starting:
        if not (_running and _running[-1].running):
            _running[:] = [_Server()]
        return _running[-1]


def _environment() -> dict[str, str]:
    """Of the server: one thread, as others do not survive a fork, and only those of GDAL's drivers that are needed."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return os.environ | one | gdal.settings()


def serve(control: int) -> None:
    """The server's loop: fork a child for each request, until nobody is left who could make one."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are not waited for
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    with socket.socket(fileno=control) as requests:
        while True:
            module, files, _, _ = socket.recv_fds(requests, 1000, 1)
            if not files:
                return
            with suppress(Exception):  # the child says what is wrong with it
                importlib.import_module(module.decode())
            if os.fork() == 0:
                requests.close()
                try:
                    _work(Connection(files[0]))
                finally:
                    os._exit(0)
            os.close(files[0])


def _work(connection: Connection) -> None:
    """Run one function in this child and send what it returns or raises."""
    global _inside
    _inside = True
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    connection.send(os.getpid())
    module, name, args, kwargs, limits, scratch = connection.recv()
    with suppress(OSError):
        os.chdir(limits.folder)
    limits.apply(scratch)
    try:
        function = getattr(importlib.import_module(module), name)
        args = [_openable(each, limits, scratch) for each in args]
        kwargs = {key: _openable(each, limits, scratch) for key, each in kwargs.items()}
        connection.send(("result", function(*args, **kwargs)))
    except ZoomDiffError as error:
        connection.send(("error", error))
    except MemoryError:
        connection.send(("memory", None))
    except BaseException:
        connection.send(("other", traceback.format_exc()))


def _openable(argument: object, limits: Limits, scratch: str) -> object:
    """The argument; of a path that is read and is no UTF-8, which native readers do not open, a link's path.

    The link's name is what the file's is in messages.
    """
    if not isinstance(argument, str | Path) or is_utf8(os.path.abspath(argument)):
        return argument
    path = Path(argument).absolute()
    if path not in limits.paths or not path.exists():
        return argument
    link = Path(tempfile.mkdtemp(dir=scratch), printable(path.name))
    link.symlink_to(path)
    return type(argument)(link)
