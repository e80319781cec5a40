"""The only place where commands print: results to stdout, messages to stderr, never a character that steers a terminal.

Strings from a store are escaped where a line is made of them (`table.text`, `terminal_text.printable`), since there a
line break in a name still differs from the end of a line. What is printed here is escaped once more as a whole.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import shutil
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click

from hstore.cli.painting import in_colour, wants_colour

NO_EXPERIMENTS = "no experiments yet; fmin(…, experiment='name') creates one"
CLEAR, HOME, ERASE_LINE, ERASE_BELOW = "\x1b[2J", "\x1b[H", "\x1b[K", "\x1b[J"


def print_text(text: object) -> None:
    """Print a result on stdout; what `painted` returned is in colour there, if colours are wanted."""
    _echo(text, is_error=False)


def print_note(text: object) -> None:
    """Print a message on stderr."""
    _echo(text, is_error=True)


def _echo(text: object, *, is_error: bool) -> None:
    is_coloured = wants_colour(is_error=is_error)
    click.echo(in_colour(text, is_coloured), err=is_error, color=is_coloured)


def print_json(value: Any, *, indent: int | None = 1) -> None:
    """Print *value* on stdout as JSON in ASCII; without *indent* in one line."""
    print_encoded(json.dumps(for_json(value), indent=indent))


def print_json_with(value: dict[str, Any], name: str, items: Iterable[Any]) -> None:
    """Print *value* as `print_json` does, with a list *name* of *items* at its end, one item at a time."""
    encoded = json.dumps(for_json(value), indent=1).removesuffix("\n}")
    print_encoded(f"{encoded},\n {json.dumps(name)}: [", newline=False)
    separator = "\n"
    for item in items:
        lines = json.dumps(for_json(item), indent=1).replace("\n", "\n  ")
        print_encoded(f"{separator}  {lines}", newline=False)
        separator = ",\n"
    print_encoded("\n ]\n}" if separator != "\n" else "]\n}")


def print_encoded(encoded: str, *, newline: bool = True) -> None:
    """Print JSON that is in ASCII already."""
    click.echo(
        encoded.replace("\x7f", "\\u007f"), nl=newline
    )  # of the control characters json.dumps leaves this one as it is


def as_of(event: int | None) -> Iterator[str]:
    """Yield the line that says how much of the log is in what was read for a view; nothing if it was all of it."""
    if event is not None:
        yield f"as of      event {event} or later; --exact reads every event"


def print_bytes(content: bytes) -> None:
    """Write *content* as it is to stdout, for a file or another program; a terminal gets it with controls escaped."""
    if is_terminal():
        print_text(content.decode(errors="backslashreplace").removesuffix("\n"))
    else:
        click.echo(content, nl=False)


def is_terminal() -> bool:
    """Return whether stdout is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def redraw(text: str, *, is_first: bool) -> None:
    """Show *text* on the terminal in the place of what was there, cut to its size."""
    # Line by line over the old text: clearing the screen first would flicker.
    width, height = shutil.get_terminal_size()
    is_coloured = wants_colour()
    lines = [in_colour(line, is_coloured, width=width - 1) for line in text.split("\n")[: height - 1]]
    drawn = "".join(f"{line}{ERASE_LINE}\n" for line in lines)
    click.echo(f"{HOME}{CLEAR if is_first else ''}{drawn}{ERASE_BELOW}", nl=False, color=is_coloured or None)


def for_json(value: Any) -> Any:
    """Return *value* as JSON can say it: times as ISO text, bytes as hex, anything unknown as text."""
    if isinstance(value, dict):
        return {str(key): for_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [for_json(item) for item in value]
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)
