"""Colours of what commands print, where a terminal shows them: states, failures, headings.

A line is made with marks around what is to be coloured, and turned into text just before it is printed: what stands
between the marks is escaped then as all else is, so a name in a store can bring no colour of its own.
"""

from __future__ import annotations

import os
import re
import sys

import click

from hstore.store.terminal_text import display_width, printable, shortened

_TOKEN = os.urandom(4).hex()
_MARK = re.compile(rf"\ue000{_TOKEN}(\w*)\ue001")
"""Begins a colour, or without a name ends it. Each process draws a token, so no text from a store can hold it."""
_CODES = {"good": "32", "bad": "1;31", "busy": "36", "warning": "33", "faint": "2", "heading": "1"}
RESET = "\x1b[0m"

STYLES = {
    "done": "good", "ok": "good", "failed": "bad", "problem": "bad", "unreadable": "bad", "running": "busy",
    "reserved": "busy", "open": "busy", "queued": "warning", "paused": "warning", "warning": "warning",
    "cancelled": "faint", "void": "faint", "pruned": "faint", "archived": "faint",
}  # fmt: skip
"""In which style a state is shown, by its first word in lower case."""


def painted(text: str, style: str | None) -> str:
    """Return *text* with marks that have it printed in *style*, one of good, bad, busy, warning, faint, heading.

    Where no colours are wanted it is the text itself.
    """
    if not style or not text or not (wants_colour() or wants_colour(is_error=True)):
        return text
    return f"\ue000{_TOKEN}{style}\ue001{text}\ue000{_TOKEN}\ue001"


def heading(text: str) -> str:
    """Return *text*, the name of a column, painted as that."""
    return painted(text, "heading")


def state(text: str) -> str:
    """Return *text*, the state or status of something, in the style of that."""
    word = re.match(r"\w+", text)
    return painted(text, STYLES.get(word[0].lower()) if word else None)


def counts(text: str) -> str:
    """Return *text*, numbers of trials by state, with what failed painted."""
    return re.sub(r"\b[1-9]\d* (?:failed|unreadable)\b", lambda found: painted(found[0], "bad"), text)


def in_colour(text: object, is_coloured: bool, *, width: int | None = None) -> str:
    """Return *text* as it is printed: escaped, marks as the codes of a terminal or left out. width: cut to that."""
    return "\n".join(_line(line, is_coloured, width) for line in str(text).split("\n"))


def _line(line: str, is_coloured: bool, width: int | None) -> str:
    parts = _MARK.split(line)  # text, style, text, style, …
    shown, left = "", width
    for number, part in enumerate(parts):
        if number % 2:
            if is_coloured:
                shown += f"\x1b[{_CODES[part]}m" if part else RESET
            continue
        part = printable(part)
        if left is not None:
            if number < len(parts) - 1 or display_width(part) > left:
                part = shortened(part, left)
            left -= display_width(part)
        shown += part
    return shown


def wants_colour(*, is_error: bool = False) -> bool:
    """Return whether colours are wanted on stdout, or on stderr.

    --color decides, then NO_COLOR (none, if it is not empty) and CLICOLOR_FORCE or FORCE_COLOR (always, if not "0");
    else a terminal gets them, unless TERM is "dumb" or CLICOLOR is "0".
    """
    context = click.get_current_context(silent=True)
    if context is not None and context.color is not None:
        return context.color
    if os.environ.get("NO_COLOR"):
        return False
    if any(os.environ.get(name, "0") not in ("", "0") for name in ("CLICOLOR_FORCE", "FORCE_COLOR")):
        return True
    stream = sys.stderr if is_error else sys.stdout
    is_plain = os.environ.get("TERM") == "dumb" or os.environ.get("CLICOLOR") == "0"
    return stream is not None and stream.isatty() and not is_plain
