"""Text that may come from anywhere, made safe and aligned for a terminal.

Everybody who can write to a store can put any character into a name, an error or a parameter. Printed raw, escape
sequences would steer the reader's terminal, and invisible or reordering characters would show something that is not
there. So every string is printed as `printable` returns it.
"""

from __future__ import annotations

import unicodedata

__all__ = ["display_width", "printable", "printable_lines", "shortened"]

JOINERS = "\u200c\u200d"
"""Invisible, but part of emoji (family, professions) and of words in Persian and Indic scripts."""
SELECTORS = "\ufe0e\ufe0f"
"""Choose between a character as text and as a picture."""


def printable(value: object) -> str:
    r"""Return *value* in one line, with each character that is not shown as itself escaped: \x1b, \n, \u202e.

    That are control and format characters (bidirectional controls among them), line and paragraph separators, and
    unassigned and private ones. A joiner stays between two characters that are not ASCII, as in emoji.
    """
    text = str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _is_shown(text, i) else _escaped(c) for i, c in enumerate(text))


def printable_lines(value: object) -> str:
    r"""Return *value* as `printable` does, but with each \n kept as the end of a line."""
    return "\n".join(map(printable, str(value).split("\n")))


def display_width(text: str) -> int:
    """Return how many columns of a terminal *text* takes; it must be printable."""
    if text.isascii():
        return len(text)
    width, before = 0, ""
    for character in text:
        if before != "\u200d":  # what a joiner joins is shown in the place of what comes before it
            width += _columns(character)
        if character == "\ufe0f" and before and _columns(before) == 1:
            width += 1  # a picture is as wide as two letters
        before = character
    return width


def shortened(text: str, width: int) -> str:
    """Return *text*, which must be printable, cut to *width* columns; an ellipsis says that something is missing."""
    if display_width(text) <= width:
        return text
    while text and display_width(text) > width - 1:
        text = text[:-1]
    return text.rstrip(JOINERS) + "…"


def _is_shown(text: str, i: int) -> bool:
    character = text[i]
    if character in JOINERS:
        return 0 < i < len(text) - 1 and _joins(text[i - 1]) and _joins(text[i + 1])
    return character.isprintable()


def _joins(character: str) -> bool:
    return not character.isascii() and (character in SELECTORS or character.isprintable())


def _escaped(character: str) -> str:
    named = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
    code = ord(character)
    return named.get(character) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf") or "\U0001f3fb" <= character <= "\U0001f3ff":
        return 0  # combining marks, joiners, skin tones
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
