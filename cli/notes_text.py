"""What commands say of notes: who wrote what, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hstore.cli.table import text

if TYPE_CHECKING:
    from hstore.store.events import Noted


def notes_lines(tags: Sequence[str], notes: Iterable[Noted]) -> Iterator[str]:
    """Yield the *tags* of a trial or of an experiment, and those of its *notes* that people wrote."""
    if tags:
        yield f"tags {', '.join(map(text, tags))}"
    for note in notes:
        if note.archived is not None:
            yield f"{'archived' if note.archived else 'unarchived'}{said(note)}"
        elif note.note and note.void is None and note.amend is None:
            yield f"note {text(note.note)} ({text(note.person or note.by)}, {note.at:%Y-%m-%d %H:%M})"


def said(note: Noted) -> str:
    """Return who wrote *note*, when, and why."""
    reason = f": {text(note.note)}" if note.note else ""
    return f" ({text(note.person or note.by)}, {note.at:%Y-%m-%d %H:%M}{reason})"


def said_in(note: object) -> dict[str, Any]:
    """Return what the event *note* says of what people wrote, by the names that JSON has for it."""
    names = ("note", "tags", "void", "amend", "title", "archived", "copied", "person")
    return {name: value for name in names if (value := getattr(note, name)) is not None}


def notes_data(notes: Iterable[Noted]) -> list[dict[str, Any]]:
    """Return what `--json` says of *notes*."""
    return [{"ver": note.ver, "at": note.at, **data} for note in notes if (data := said_in(note))]
