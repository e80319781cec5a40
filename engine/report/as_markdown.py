"""A report as one Markdown file, pictures included. Pure; what is shown means nothing to Markdown or HTML."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hstore.engine.report.document import (
    Block,
    Lines,
    NamedValues,
    Paragraph,
    Picture,
    ReportTable,
    WrittenReport,
    shown,
)
from hstore.store.terminal_text import printable, printable_lines

_SPECIAL = re.compile(r"([\\`*_\[\]|~<>$&])")


def as_markdown(report: WrittenReport) -> str:
    """Return *report* as Markdown with tables (GitHub's)."""
    lines = [f"# {_escaped(report.title)}", "", _paragraph(report.summary), ""]
    for section in report.sections:
        lines += [f"## {_escaped(section.title)}", ""]
        for block in section.blocks:
            lines += [*_block(block), ""]
    return "\n".join(lines)


def _escaped(value: Any) -> str:
    return _SPECIAL.sub(r"\\\1", printable(shown(value)))


def _paragraph(text: str) -> str:
    """Return *text* so that its beginning makes no list, heading or rule of it."""
    return re.sub(r"^(\d*)([-=+#.)])", r"\1\\\2", _escaped(text))


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph(text):
            yield _paragraph(text)
        case Lines(text, title):
            if title is not None:
                yield f"{_escaped(title)}:"
                yield ""
            # Four spaces, and not a fence, which a line within might close.
            yield from (f"    {line}" for line in printable_lines(text).split("\n"))
        case NamedValues(pairs):
            yield from _table([["", ""], *([name, value] for name, value in pairs if value is not None)])
        case ReportTable(rows):
            yield from _table(rows)
        case Picture(name, png):
            yield f"![{_escaped(name)}](data:image/png;base64,{base64.b64encode(png).decode('ascii')})"


def _table(rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    head, *others = rows
    yield f"| {' | '.join(map(_escaped, head))} |"
    yield f"|{' --- |' * len(head)}"
    for row in others:
        yield f"| {' | '.join(map(_escaped, row))} |"
