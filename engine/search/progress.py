"""The progress bar, on stderr: what the user's objective prints goes where it went before."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TextIO, TypeAlias

ProgressCallback: TypeAlias = Callable[[int, int], AbstractContextManager[Any]]
"""f(initial, total): a context manager that yields an object with `update(n)` and a settable `postfix`."""


@contextmanager
def tqdm_progress_callback(initial: int, total: int) -> Iterator[Any]:
    """Show a tqdm bar of trials on stderr, or in a notebook below the cell; nothing where there is no stderr."""
    if sys.stderr is None:  # of a program without a terminal that closed it
        yield _NoBar()
        return
    make = bar_class()
    with make(
        initial=initial, total=None if total >= sys.maxsize else total, unit="trial",
        file=_Stderr(sys.stderr) if make.__module__ == "tqdm.std" else sys.stderr,
        dynamic_ncols=True, postfix={"best loss": "?"},
    ) as bar:  # fmt: skip
        yield bar


class _Stderr:
    """stderr for a bar, whose search does not end because the reader of stderr has."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # the second if the program has closed it
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def bar_class() -> Any:
    """Return the class of the bar: in a notebook with widgets one of those, which its page draws."""
    import importlib.util

    if "ipykernel" in sys.modules and importlib.util.find_spec("ipywidgets") is not None:
        from tqdm.auto import tqdm as bar
    else:  # without asyncio, which takes longer to import than all of hstore
        from tqdm import tqdm as bar  # type: ignore[assignment]
    return bar


class _NoBar:
    postfix: Any = None

    def update(self, n: int) -> None:
        pass


@contextmanager
def no_progress_callback(initial: int, total: int) -> Iterator[Any]:
    """Show nothing."""
    yield _NoBar()


default_callback = tqdm_progress_callback


@contextmanager
def std_out_err_redirect_tqdm() -> Iterator[TextIO]:
    """Yield stdout, and leave it and stderr as they are. In hyperopt what is printed meanwhile goes through tqdm."""
    yield sys.stdout


class DummyTqdmFile:
    """A file whose lines go to *file* above the bars there; for who wants `print(…, file=…)` not to break a bar."""

    __module__ = "hstore.std_out_err_redirect_tqdm"

    file: Any = None

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, x: str) -> None:
        """Write *x* as a line above the bars, and nothing for an empty one, as which `print` sends line ends."""
        if x.rstrip():
            from tqdm import tqdm

            tqdm.write(x.removesuffix("\n"), file=self.file)

    def flush(self) -> None:
        """Flush the file behind."""
        self.file.flush()

    def close(self) -> None:
        """Close nothing: the file belongs to the program."""

    def isatty(self) -> bool:
        """Return whether a person looks at the file behind."""
        return bool(self.file.isatty())
