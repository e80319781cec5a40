"""Backends: what draws a figure, matplotlib for files and papers, or Bokeh for notebooks and the page."""

from __future__ import annotations

import importlib
from typing import Any

from hstore.store.errors import CannotLoad, InvalidValue

MATPLOTLIB, BOKEH = "matplotlib", "bokeh"


def is_interactive(backend: str, on: Any) -> bool:
    """Return whether *backend* is Bokeh; raises `InvalidValue` for an unknown one, and for it with *on*."""
    if backend not in (MATPLOTLIB, BOKEH):
        raise InvalidValue(f"there is no backend {backend!r}", hint=f"{MATPLOTLIB!r} or {BOKEH!r}")
    if backend == BOKEH and on is not None:
        raise InvalidValue("figures of Bokeh cannot be drawn on matplotlib's axes", hint="leave out `on`")
    return backend == BOKEH


def interactive(module: str) -> Any:
    """Return a module of `interactive`; raises `CannotLoad` without Bokeh."""
    try:
        return importlib.import_module(f"hstore.engine.analysis.interactive.{module}")
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "bokeh":
            raise
        raise CannotLoad("these figures need bokeh", hint="pip install 'hstore[ui]'") from error
