"""The state of the git repository that a project is in: commit, branch, whether anything was changed since."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from hstore.engine.provenance.command_line import text_without_secrets
from hstore.store.terminal_text import printable

STATUS_SECONDS, QUICK_SECONDS, DIFF_SECONDS = 2.0, 1.0, 10.0
"""How long `git status` may take, what reads no more than a few files, and `git diff`."""
MOST_DIFF_BYTES = 2**20

# No hook of the repository runs, and nothing is written: not even the index that `git status` refreshes.
_GIT = ("git", "--no-optional-locks", "-c", "core.fsmonitor=false")
_STATUS = ("status", "--porcelain=v2", "--branch", "--untracked-files=no", "--ignore-submodules=dirty")
_DIFF = ("diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=dirty")


class GitState:
    """Asks git about *folder* in the background as soon as it is made; `answer` waits for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._began = time.monotonic()
        self._why: str | None = None
        self._status: subprocess.Popen[bytes] | None = None
        self._remote: subprocess.Popen[bytes] | None = None
        try:
            self._status = _started(folder, *_STATUS)
            self._remote = _started(folder, "config", "--get", "remote.origin.url")
        except FileNotFoundError:
            self._why = "git is not installed"
        except (OSError, ValueError) as error:
            self._why = f"git cannot be run: {error}"

    def answer(self) -> dict[str, Any]:
        """Return `commit`, `branch`, `dirty`, and `remote`, the URL of origin, as far as they are known.

        dirty: whether a file that git tracks differs from the commit. A branch that is missing is a detached HEAD.
        `unknown` says why something is not known: no git, no repository, a status that took too long.
        """
        status, remote = self._status, self._remote
        if status is None:
            return {"unknown": self._why}
        left = STATUS_SECONDS - (time.monotonic() - self._began)
        try:
            out, err = status.communicate(timeout=max(0.05, left))
            found = _parsed(out) if status.returncode == 0 else {"unknown": _complaint(err)}
        except subprocess.TimeoutExpired:
            _end(status)
            found = {**self._without_status(), "unknown": f"git status took longer than {STATUS_SECONDS:g} s"}
        if remote is not None:
            try:
                url = remote.communicate(timeout=QUICK_SECONDS)[0].decode(errors="replace").strip()
            except subprocess.TimeoutExpired:
                _end(remote)
                url = ""
            if url and "commit" in found:
                found["remote"] = text_without_secrets(url)
        return found

    def diff(self) -> str | None:
        """Return what differs from the commit in files that git tracks; None if that cannot be had in time."""
        if self._status is None:
            return None
        try:
            asked = _started(self.folder, *_DIFF)
            out, _ = asked.communicate(timeout=DIFF_SECONDS)
        except subprocess.TimeoutExpired:
            _end(asked)
            return None
        except (OSError, ValueError):
            return None
        if asked.returncode != 0:
            return None
        text = out[:MOST_DIFF_BYTES].decode(errors="replace")
        return text if len(out) <= MOST_DIFF_BYTES else f"{text}\n… and {len(out) - MOST_DIFF_BYTES} bytes more\n"

    def _without_status(self) -> dict[str, Any]:
        """Return commit and branch, which git knows without looking at the files."""
        found = {}
        for name, words in (("commit", ("rev-parse", "HEAD")), ("branch", ("symbolic-ref", "--short", "-q", "HEAD"))):
            try:
                asked = _started(self.folder, *words)
                out, _ = asked.communicate(timeout=QUICK_SECONDS)
            except subprocess.TimeoutExpired:
                _end(asked)
                continue
            except (OSError, ValueError):
                continue
            if asked.returncode == 0:
                found[name] = out.decode(errors="replace").strip()
        return found


def _started(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    return subprocess.Popen(
        [*_GIT, *words], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def _parsed(out: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {"dirty": False}
    for line in out.decode(errors="replace").splitlines():
        if line.startswith("# branch.oid "):
            commit = line.removeprefix("# branch.oid ")
            found |= {"unknown": "nothing was committed yet"} if commit == "(initial)" else {"commit": commit}
        elif line.startswith("# branch.head "):
            branch = line.removeprefix("# branch.head ")
            found |= {} if branch == "(detached)" else {"branch": branch}
        elif not line.startswith("#"):
            found["dirty"] = True
    return found


def _complaint(err: bytes) -> str:
    text = err.decode(errors="replace").strip()
    if "not a git repository" in text:
        return "not in a git repository"
    return printable(text.splitlines()[0])[:200] if text else "git status failed"
