"""A command as objective: its words with the values of a trial, and the loss in what a run of it leaves."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hstore.store.errors import InvalidValue
from hstore.workers.command_run import READ_BYTES, CommandFailed, CommandRun

PLACEHOLDER = re.compile(r"(?<!\$)\{(?P<label>[A-Za-z_][\w.-]*)(?::(?P<range>[^{}]*))?\}")
"""Not behind a dollar: ${HOME:-/root} is the shell's."""
PROGRAMS = {".py", ".sh", ".bash", ".r", ".jl", ".pl", ".rb", ".js", ".m", ".lua"}
"""How the names of programs end whose text is recorded."""
NUMBER = re.compile(
    r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)(?![\w-])", re.IGNORECASE
)  # "info" holds no infinity
ALONE = re.compile(rf"(?<![\w.])(?:{NUMBER.pattern})", re.IGNORECASE)
"""A number that is no part of a word, as the 50 of resnet50 is."""
MOMENT = re.compile(r"\d+(?:[-/:]\d+)+")
"""A date, a time or a share, such as 2024-11-05, 12:30 and 3/10: none of its numbers is a loss."""
UNCLEAR = re.compile(r"(?<=\d)_\d|(?<=\b0)x[0-9a-f]|(?<=\d),\d", re.IGNORECASE)
"""What may go on behind a number: 1_000, 0x1F, and 3,5, which is 3.5 to some. Read in part, they are other numbers."""
MINUS = str.maketrans({"\u2212": "-"})
"""The minus of typographers."""
BETWEEN = re.compile(r"[\s=:\"']*")
"""What may stand between a pattern and the number behind it."""
STEERING = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")
"""Sequences that colour a terminal's text; their digits are no losses."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The words of a command, some of them with placeholders: {lr:log(1e-5, 1)}, and {lr} where it comes again."""

    words: tuple[str, ...]

    @property
    def ranges(self) -> dict[str, str]:
        """The range of each label, in the order of the words; raises `InvalidValue` for one that has two."""
        ranges: dict[str, str] = {}
        for word in self.words:
            for match in PLACEHOLDER.finditer(word):
                label, text = match["label"], match["range"]
                if text is not None and ranges.setdefault(label, text) != text:
                    raise InvalidValue(f"{label} has two ranges: {ranges[label]} and {text}", hint=f"write {{{label}}}")
        return ranges

    def program_files(self) -> list[Path]:
        """Return the files of a program that the words name: `train.py`, `./run.sh`. Others may be data, or secrets."""
        files = [Path(word) for word in self.words if Path(word).suffix.lower() in PROGRAMS]
        return [file for file in files if file.is_file()]

    def is_one_word_of_many(self) -> bool:
        """Whether the command was quoted as a whole, so that no program of that name could be found."""
        return len(self.words) == 1 and " " in PLACEHOLDER.sub("", self.words[0]).strip()

    def missing_program(self) -> str | None:
        """Return the program if there is none of that name; None if there is, or if values are part of its name."""
        program = self.words[0]
        is_known = PLACEHOLDER.search(program) is None
        return program if is_known and shutil.which(program) is None else None

    def filled(self, values: Mapping[str, Any]) -> list[str]:
        """Return the words with *values* in them.

        A word that names a label without a value is left out, and so is the option before it: `--momentum
        {momentum:float(0, 1) if opt=sgd}`. Braces around anything else stay as they are.
        """
        known, filled = self.ranges, list[str]()
        for word in self.words:
            labels = [match["label"] for match in PLACEHOLDER.finditer(word) if match["label"] in known]
            if any(label not in values for label in labels):
                if PLACEHOLDER.fullmatch(word) and filled and filled[-1].startswith("-") and "=" not in filled[-1]:
                    filled.pop()
                continue
            filled.append(PLACEHOLDER.sub(lambda match: _shown(match, values), word))
        return filled


def _shown(match: re.Match[str], values: Mapping[str, Any]) -> str:
    if match["label"] not in values:
        return match[0]
    value = values[match["label"]]
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True, slots=True)
class LossSource:
    """Where the loss of a command is found. Made by `of`."""

    kind: str
    argument: str = ""

    @classmethod
    def of(cls, text: str) -> LossSource:
        """Return the source that *text* names; raises `InvalidValue` for one that cannot be.

        last-line, status (the exit status), time (seconds), size (bytes on stdout), size:FILE, json:FILE (a number, or
        an object with a loss); anything else is a regular expression, whose first group, or the number behind it, is
        the loss, at its last place in stdout.
        """
        kind, colon, argument = text.partition(":")
        if kind in ("last-line", "status", "time", "size") and not colon:
            return cls(kind)
        if kind in ("size", "json") and argument:
            return cls(kind, argument)
        return cls("pattern", pattern(text))

    def find(self, run: CommandRun) -> dict[str, Any]:
        """Return the result, with its loss; raises `CommandFailed` if there is none."""
        match self.kind:
            case "status":
                if run.status < 0:  # no status, and smaller than any
                    raise CommandFailed(run.complaint)
                return {"loss": float(run.status)}
            case "time":
                return {"loss": run.seconds}
            case "size" if not self.argument:
                return {"loss": float(run.printed_bytes)}
            case "size" | "json":
                return self._of_file(run.folder / self.argument)
            case "pattern":
                found = numbers(self.argument, run.stdout)
                if not found:
                    read = "nothing that it printed" if run.is_whole else f"nothing in the last {READ_BYTES >> 20} MiB"
                    raise CommandFailed(f"{read} has a number at {self.argument!r}")
                return {"loss": found[-1]}
        lines = run.stdout.strip().splitlines()
        return _result(lines[-1] if lines else "", "the last line that it printed")

    def _of_file(self, file: Path) -> dict[str, Any]:
        try:
            if self.kind == "size":
                return {"loss": float(file.stat().st_size)}
            return _result(file.read_text("utf-8"), str(file))
        except (OSError, UnicodeDecodeError) as error:
            raise CommandFailed(f"it left no {file}: {getattr(error, 'strerror', None) or error}") from None


def pattern(text: str) -> str:
    """Return the regular expression *text*; raises `InvalidValue` for what is none, or matches everywhere."""
    try:
        compiled = re.compile(text)
    except re.error as error:
        raise InvalidValue(f"{text!r} is no regular expression: {error}") from None
    if not text or (not compiled.groups and compiled.fullmatch("")):
        raise InvalidValue(f"the regular expression {text!r} matches nothing at all", hint="'loss=', say")
    return text


def numbers(pattern: str, text: str) -> list[float]:
    """Return the numbers that *pattern* finds in *text*, in order.

    That is the group called `value`, or else the first group that holds a number; without groups the number behind the
    match, or else the match itself or what it ends with.
    """
    return [value for match, plain in _matches(pattern, text) if (value := _number_at(plain, match)) is not None]


def reports(pattern: str, text: str) -> list[tuple[int | None, float]]:
    """Return what *pattern* finds in *text* as steps and values; None for a step that is not told.

    A step is the group called `step`, or the first of two groups if that holds a number, the second being the value.
    """
    found = []
    for match, plain in _matches(pattern, text):
        step, value = match.groupdict().get("step"), _number_at(plain, match)
        is_pair = not match.re.groupindex and match.re.groups == 2 and match[2] is not None
        if is_pair and _number(match[1]) is not None:
            step, value = match[1], _number(match[2])
        if value is not None:
            whole = step is not None and re.fullmatch(r"\d{1,15}", step.strip())
            found.append((int(step or 0) if whole else None, value))
    return found


def _matches(pattern: str, text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Yield each match of *pattern*, and the text without what colours it, which it is in."""
    compiled = re.compile(pattern)
    if not compiled.groups:
        compiled = re.compile(pattern, re.IGNORECASE)
    plain = STEERING.sub("", text).translate(MINUS)
    for match in compiled.finditer(plain):
        yield match, plain


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _number_at(text: str, match: re.Match[str]) -> float | None:
    names = match.re.groupindex
    if "value" in names:
        return _number(match["value"])
    if match.re.groups:
        groups = (match[n] for n in range(1, match.re.groups + 1) if n != names.get("step"))
        return next((value for group in groups if (value := _number(group)) is not None), None)
    between = BETWEEN.match(text, match.end())
    assert between is not None
    behind = NUMBER.match(text, between.end())
    if behind is None:
        last = re.split(r"[\s=:]", match[0])[-1]
        return _number(match[0]) if NUMBER.fullmatch(last) is None else float(last)
    return None if _is_unclear(text, behind) else float(behind[0])


def _is_unclear(text: str, number: re.Match[str]) -> bool:
    """Return whether *number* goes on in a way that makes another one of it; behind a point a comma is a comma."""
    goes_on = UNCLEAR.match(text, number.end())
    return goes_on is not None and not (goes_on[0].startswith(",") and "." in number[0])


def _result(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        plain = MOMENT.sub(" ", STEERING.sub("", text).translate(MINUS))
        found = list(ALONE.finditer(plain))
        if not found:
            raise CommandFailed(f"{where} holds no number: {text.strip()!r:.80}") from None
        if any(_is_unclear(plain, number) for number in found[-2:]):  # 3,5 is two of them
            raise CommandFailed(f"{where} holds a number that can be read in two ways: {text.strip()!r:.80}") from None
        value = float(found[-1][0])
    if isinstance(value, dict) and ("loss" in value or "losses" in value):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CommandFailed(f"{where} holds neither a number nor an object with a loss: {text.strip()!r:.80}")
    return {"loss": float(value)}
