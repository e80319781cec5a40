"""The parts that a report is made of; `as_html` and `as_markdown` write them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines as they are: commands, a list of packages."""

    text: str
    title: str | None = None
    """Of what is long, and folded away where that can be done."""


@dataclass(frozen=True, slots=True)
class ReportTable:
    """Rows of values, the first of which names the columns."""

    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class NamedValues:
    """Values by name; those that are None are left out."""

    pairs: Sequence[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure."""

    name: str
    png: bytes


Block: TypeAlias = Paragraph | Lines | ReportTable | NamedValues | Picture


@dataclass(frozen=True, slots=True)
class Section:
    """Some blocks under a title."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A whole report."""

    title: str
    summary: str
    sections: Sequence[Section]


def shown(value: Any) -> str:
    """Return *value* as a report prints it: all digits of numbers, lists and mappings in one line."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if hasattr(value, "strftime"):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return ", ".join(f"{name}={shown(inner)}" for name, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(shown, value))
    return str(value)
