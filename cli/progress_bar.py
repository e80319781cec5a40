"""The progress bar of long commands: on stderr, on a terminal, once a command has taken two seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

DELAY = 2.0
"""Seconds after which a command is a long one."""


@contextmanager
def progress(unit: str, *, total: int | None = None) -> Iterator[Callable[[int], object]]:
    """Yield what is called with the number of *units* that were just done; *total*: how many there are, if known."""
    if sys.stderr is None or not sys.stderr.isatty():  # None: a program without a console, or `2>&-`
        yield lambda _: None
        return
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, unit_scale=True, delay=DELAY, leave=False, file=sys.stderr) as bar:
        yield bar.update
