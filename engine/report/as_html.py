"""A report as one HTML file that loads nothing from anywhere. Pure; all that is shown is escaped."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator
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

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
h1,h2{line-height:1.2}h2{margin-top:2.2rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse;margin:.8rem 0;display:block;overflow-x:auto}
th,td{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #e3e3e3}
td{overflow-wrap:anywhere}td.n{text-align:right;font-variant-numeric:tabular-nums}
pre{background:#f4f4f4;padding:.7rem;overflow-x:auto}img{max-width:100%}nav a{margin-right:1rem}
@media print{details>*{display:block}nav{display:none}}
"""


def as_html(report: WrittenReport) -> str:
    """Return *report* as a page; a browser that opens it is told to run no script, and to load nothing."""
    sections = [(_anchor(section.title), section) for section in report.sections]
    menu = "".join(f"<a href='#{anchor}'>{_escaped(section.title)}</a>" for anchor, section in sections)
    body = "\n".join(
        f"<section><h2 id='{anchor}'>{_escaped(section.title)}</h2>\n{''.join(map(_block, section.blocks))}</section>"
        for anchor, section in sections
    )
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta http-equiv='Content-Security-Policy' "
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{_escaped(report.title)}</title><style>{_STYLE}</style></head>\n<body>"
        f"<h1>{_escaped(report.title)}</h1><p>{_escaped(report.summary)}</p><nav>{menu}</nav>\n{body}\n</body></html>\n"
    )


def _escaped(value: Any) -> str:
    return html.escape(printable(shown(value)))


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _block(block: Block) -> str:
    match block:
        case Paragraph(text):
            return f"<p>{_escaped(text)}</p>\n"
        case Lines(text, None):
            return f"<pre>{html.escape(printable_lines(text))}</pre>\n"
        case Lines(text, title):
            inner = f"<pre>{html.escape(printable_lines(text))}</pre>"
            return f"<details><summary>{_escaped(title)}</summary>{inner}</details>\n"
        case NamedValues(pairs):
            return _table([f"<th>{_escaped(name)}</th>{_cell(value)}" for name, value in pairs if value is not None])
        case ReportTable(rows):
            return _table(_rows(rows))
        case Picture(name, png):
            data = base64.b64encode(png).decode("ascii")
            return f"<p><img alt='{_escaped(name)}' src='data:image/png;base64,{data}'></p>\n"


def _table(rows: list[str]) -> str:
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>\n"


def _rows(rows: Any) -> list[str]:
    head, *others = rows

    def cells() -> Iterator[str]:
        yield "".join(f"<th>{_escaped(name)}</th>" for name in head)
        for row in others:
            yield "".join(map(_cell, row))

    return list(cells())


def _cell(value: Any) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"<td{' class=n' if is_number else ''}>{_escaped(value)}</td>"
