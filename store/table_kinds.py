"""The kinds of tables that there are of an experiment; by itself, since the help of a command names them."""

from __future__ import annotations

from typing import Literal, TypeAlias

TableKind: TypeAlias = Literal["trials", "events", "reports"]
TABLE_KINDS: tuple[TableKind, ...] = ("trials", "events", "reports")
