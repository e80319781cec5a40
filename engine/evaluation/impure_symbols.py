"""The two functions of expressions that are not pure: one asks the clock, one enters the debugger.

The others are in `engine/space/functions.py`, which knows neither. `Domain` imports this module, so every process that
evaluates points has both.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from hstore.engine.space.symbols import scope


def curtime(obj: Any) -> tuple[float, Any]:
    """Return the time in seconds since 1970, and *obj*."""
    return dt.datetime.now(dt.UTC).timestamp(), obj


def pdb_settrace(obj: Any) -> Any:
    """Enter the debugger, and return *obj*."""
    breakpoint()
    return obj


scope.define_info(o_len=2)(curtime)
scope.define(pdb_settrace)
