"""A command as objective: its words with the values of a trial, its run, and the loss in what it leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hstore.store.errors import HstoreError, InvalidValue

PLACEHOLDER = re.compile(r"\{(?P<label>[A-Za-z_][\w.-]*)(?::(?P<range>[^{}]*))?\}")
KEPT_BYTES = 64 * 1024
"""Of what a command prints, the last so many bytes are kept."""
PROGRAMS = {".py", ".sh", ".bash", ".r", ".jl", ".pl", ".rb", ".js", ".m", ".lua"}
"""How the names of programs end whose text is recorded."""
KILL_SECONDS = 5.0
"""A command that is stopped has so long to end by itself."""
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)"


class CommandFailed(HstoreError):
    """The command ended with an error, took too long, or left no loss."""


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
        try:
            re.compile(text)
        except re.error as error:
            raise InvalidValue(f"{text!r} is no regular expression: {error}") from None
        return cls("pattern", text)

    def find(self, run: CommandRun) -> dict[str, Any]:
        """Return the result, with its loss; raises `CommandFailed` if there is none."""
        match self.kind:
            case "status":
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
                    raise CommandFailed(f"nothing that it printed matches {self.argument!r}")
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


def numbers(pattern: str, text: str) -> list[float]:
    """Return what the first group of *pattern*, or without groups the number behind it, is in *text*, in order."""
    compiled = re.compile(pattern)
    if not compiled.groups:
        compiled = re.compile(rf"(?:{pattern})[\s=:]*({NUMBER})", re.IGNORECASE)
    found = []
    for match in compiled.finditer(text):
        try:
            found.append(float(match[1]))
        except (TypeError, ValueError):
            continue
    return found


def _result(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        found = re.findall(NUMBER, text, re.IGNORECASE)
        if not found:
            raise CommandFailed(f"{where} holds no number: {text.strip()!r:.80}") from None
        value = float(found[-1])
    if isinstance(value, dict) and ("loss" in value or "losses" in value):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CommandFailed(f"{where} holds neither a number nor an object with a loss: {text.strip()!r:.80}")
    return {"loss": float(value)}


@dataclass(kw_only=True)
class CommandRun:
    """One run of a command, in the folder of the user, with a *folder* of its own for what it writes.

    on_line: called with each line of its stdout as it comes; True stops the command. Any thread may call `stop`.
    """

    words: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    timeout: float | None = None
    on_line: Callable[[str], bool] = lambda _: False
    stdout: str = ""
    """What it printed, the last of it if that is long."""
    printed_bytes: int = 0
    status: int = -1
    seconds: float = 0.0
    is_stopped: bool = False
    _errors: bytes = b""

    def run(self) -> None:
        """Run the command to its end; raises `CommandFailed` if it cannot be started or takes too long."""
        began = time.monotonic()
        try:
            self._process = subprocess.Popen(
                list(self.words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=os.environ | dict(self.environment), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise CommandFailed(f"cannot run {self.words[0]}: {error.strerror or error}") from None
        timer = None if self.timeout is None else threading.Timer(self.timeout, self.stop)
        errors = threading.Thread(target=self._read_errors, daemon=True)
        errors.start()
        if timer is not None:
            timer.start()
        try:
            self._read_lines()
            self.status = self._process.wait()
        finally:
            self._kill(signal.SIGKILL)  # what it started in the background
            if timer is not None:
                timer.cancel()
            errors.join()
            for pipe in (self._process.stdout, self._process.stderr):
                if pipe is not None:
                    pipe.close()
            self.seconds = time.monotonic() - began
        if self.timeout is not None and self.seconds >= self.timeout and self.status != 0:
            raise CommandFailed(f"it took longer than {self.timeout:g} seconds")

    @property
    def output(self) -> str:
        """What it wrote to stdout, and behind that to stderr."""
        errors = self._errors.decode("utf-8", "replace")
        return self.stdout + (f"\n--- stderr ---\n{errors}" if errors else "")

    @property
    def complaint(self) -> str:
        """The last line that it wrote to stderr, or its exit status."""
        lines = self._errors.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {self.status}"

    def stop(self) -> None:
        """End the command, and what it started: asked first, killed after a few seconds."""
        self.is_stopped = True
        self._kill(signal.SIGTERM)
        killer = threading.Timer(KILL_SECONDS, self._kill, [signal.SIGKILL])
        killer.daemon = True
        killer.start()

    def _kill(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # it has ended

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.printed_bytes += len(line)
            text = line.decode("utf-8", "replace")
            self.stdout = (self.stdout + text)[-KEPT_BYTES:]
            if not self.is_stopped and self.on_line(text):
                self.stop()

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        while block := os.read(self._process.stderr.fileno(), 8192):
            self._errors = (self._errors + block)[-KEPT_BYTES:]
