"""Source lines of pickled code: a pickle has none, and a traceback without them names neither file nor line."""

from __future__ import annotations

import json
import linecache
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import Any

MOST_BYTES = 1 << 20
"""What is longer is not kept: the objective counts, not its documentation."""


def lines_of(codes: Iterable[CodeType]) -> bytes | None:
    """Return the file, the name and the lines of each of *codes*, as JSON; None if there is nothing to keep."""
    kept = []
    for code in codes:
        first, last = code.co_firstlineno, _last_line(code)
        lines = [line.rstrip("\n") for line in linecache.getlines(code.co_filename)[first - 1 : last]]
        kept.append({"file": code.co_filename, "name": code.co_qualname, "first": first, "lines": lines})
    content = json.dumps(kept).encode() if kept else b""
    return content if 0 < len(content) <= MOST_BYTES else None


def _last_line(code: CodeType) -> int:
    ends = [end for _, end, _, _ in code.co_positions() if end is not None]
    inner = [_last_line(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return max([code.co_firstlineno, *ends, *inner])


class SourceLines:
    """What `lines_of` has kept, where the code is loaded again."""

    def __init__(self, content: bytes | None) -> None:
        """Read *content*; what cannot be read is as if nothing had been kept."""
        self._files: dict[tuple[str, int], str] = {}
        self._lines: dict[str, dict[int, str]] = {}
        try:
            for each in json.loads(content or b"[]"):
                self._take(**each)
        except (ValueError, TypeError):  # of another version of hstore, or damaged; it only serves to be looked at
            self._files, self._lines = {}, {}

    def _take(self, *, file: str, name: str, first: int, lines: list[str], **_: Any) -> None:
        self._files[name, first] = file
        self._lines.setdefault(file, {}).update((first + i, f"{line}\n") for i, line in enumerate(lines))

    def named(self, code: CodeType) -> CodeType:
        """Return *code* with the name of the file that it came from."""
        file = self._files.get((code.co_qualname, code.co_firstlineno))
        return code if file is None else _in_file(code, file)

    def show(self) -> None:
        """Have tracebacks print these lines, whatever stands in files of the same names by now."""
        for file, lines in self._lines.items():
            there = linecache.getlines(file)
            if all(number <= len(there) and there[number - 1] == line for number, line in lines.items()):
                continue
            text = list(_with_gaps(lines))
            # Without a time of change `linecache` does not look whether the file is there and still the same.
            linecache.cache[file] = sum(map(len, text)), None, text, file


def _with_gaps(lines: dict[int, str]) -> Iterator[str]:
    return (lines.get(number, "\n") for number in range(1, max(lines, default=0) + 1))


def _in_file(code: CodeType, file: str) -> CodeType:
    constants = tuple(_in_file(each, file) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_filename=file, co_consts=constants)
