"""Labels as an axis has room for them: cut, and still different from each other. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hstore.store.terminal_text import display_width, printable, shortened


def short_labels(labels: Sequence[str], width: int) -> list[str]:
    """Return *labels* as printable texts of at most *width* columns.

    Of those that are longer, what all of them begin or end with is left out, then what is in the middle; those that are
    alike after that are numbered.
    """
    texts = [printable(label) for label in labels]
    long = [text for text in texts if display_width(text) > width]
    before, after = 0, 0
    if len(set(long)) > 1:
        before = _whole_words(_beginning(long))
        after = _whole_words(_beginning([text[before:][::-1] for text in long]))
        rest = max(display_width(text[before : len(text) - after]) for text in long)
        room = max(0, (width - 2 - rest) // 2)  # for what is beside it
        before, after = max(0, before - room), max(0, after - room)
    cut = [text if text not in long else _between(text, before, len(text) - after) for text in texts]
    found = [middle_cut(text, width) for text in cut]
    count, seen = Counter(found), Counter[str]()
    for n, text in enumerate(found):
        if count[text] > 1 and texts[n] in long:
            seen[text] += 1
            number = f" ({seen[text]})"
            found[n] = middle_cut(text, max(2, width - len(number))) + number
    return found


def middle_cut(text: str, width: int) -> str:
    """Return *text*, which must be printable, in *width* columns: its beginning and its end."""
    if display_width(text) <= width:
        return text
    end = ""
    while display_width(end) < width // 2 - 1:
        end = text[-len(end) - 1 :]
    return shortened(text, width - display_width(end)) + end


def _beginning(texts: Sequence[str]) -> str:
    """Return what all *texts* begin with: it is what the first and the last in their order do."""
    first, last = min(texts), max(texts)
    return first[: next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def _between(text: str, start: int, end: int) -> str:
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def _whole_words(shared: str) -> int:
    """Return how much of *shared* ends with a word."""
    end = len(shared)
    while end and shared[end - 1].isalnum():
        end -= 1
    return end
