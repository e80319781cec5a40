"""What the log records of where a search came from, when it is begun and when its code or its machine has changed."""

from __future__ import annotations

import os
import platform
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hstore.engine.evaluation.domain import BoundObjective
from hstore.engine.provenance import packages, sources
from hstore.engine.provenance.command_line import text_without_secrets, without_secrets
from hstore.engine.provenance.git_state import GitState
from hstore.store.attachments import Attachments
from hstore.store.events import Data
from hstore.store.messages import Log
from hstore.store.person import login

LOG = Log("search")

SWITCH, SOURCE_SWITCH = "HSTORE_RECORD_PROVENANCE", "HSTORE_RECORD_SOURCE"
"""Environment variables: 0 records nothing of this, or no source."""
GIT_SECONDS = 2.0
"""How long an answer of git is used again: programs that call fmin in a loop do not wait for git each time."""
_OFF = ("0", "no", "off", "false")

_asked: dict[Path, tuple[float, dict[str, Any]]] = {}


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What a user wants recorded."""

    source: bool = True
    """The text of the code; without it its hashes alone."""
    diff: bool = False
    """What differs from the commit."""

    @classmethod
    def of(cls, *, source: bool | None = None, diff: bool = False) -> Recording:
        """Return what a user gave; without *source* the environment says whether it is recorded."""
        return cls(source=not is_off(SOURCE_SWITCH) if source is None else bool(source), diff=bool(diff))


def is_off(variable: str) -> bool:
    """Return whether an environment variable switches something off."""
    return os.environ.get(variable, "").strip().lower() in _OFF


def record(domain: BoundObjective, attachments: Attachments, recording: Recording) -> dict[str, Any] | None:
    """Return where a search of *domain* that begins now comes from; None if the user has switched that off.

    `git`: see `GitState.answer`. `command`: the command line without secrets. `folder`, `host`, `user`, `python`,
    `executable`, `platform`. `packages` and `source` name attachments by `sha256` and `length`; `source.files` has
    [path, SHA-256] of each file even if the text is not recorded. `diff` is there if it was asked for. Nothing here
    raises: what cannot be found out is missing.
    """
    if is_off(SWITCH):
        return None
    folder = sources.folder_of(domain)
    git = _asked_lately(folder)
    asking = None if git is not None and not recording.diff else GitState(folder)  # it runs beside what follows
    installed, texts = packages.installed(), sources.source_of(domain)
    found: dict[str, Any] = {
        **_place(),
        "packages": {"n": len(installed), **_kept(packages.as_bytes(installed), attachments)},
    }
    if texts:
        text = _kept(sources.as_bytes(texts), attachments) if recording.source else {}
        found["source"] = {"files": sources.hashes(texts), **text}
    if asking is not None:
        git = asking.answer()
        _asked[folder] = time.monotonic(), git
        if recording.diff and (diff := asking.diff()):
            found["diff"] = _kept(diff.encode(), attachments)
            LOG.warning(
                f"the diff to commit {str(git.get('commit'))[:8]} ({len(diff)} characters) is stored with the "
                "experiment; all who can read the store can read it: see that it holds no secrets"
            )
    return {"git": git, **found}


def here(domain: BoundObjective | None) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """Return what `record` would say here, without attachments, and beside it the packages and the source."""
    installed = packages.installed()
    texts = {} if domain is None else sources.source_of(domain)
    folder = Path(_working_folder()) if domain is None else sources.folder_of(domain)
    found: dict[str, Any] = {"git": GitState(folder).answer(), **_place()}
    return found, installed, texts


def is_another(before: Data, now: Data) -> bool:
    """Return whether *now* has other code, other packages or another Python than *before*, as far as both know them.

    Also if nothing was recorded *before*: by an older hstore, say. Who runs them, on which host and with which command
    line, may change with each call of one search.
    """
    one, other = _identity(before), _identity(now)
    return not before or any(other[name] != value for name, value in one.items() if name in other)


def _identity(provenance: Data) -> dict[str, Any]:
    git, source = provenance.get("git") or {}, provenance.get("source") or {}
    found = {
        "commit": git.get("commit"), "dirty": git.get("dirty"), "python": provenance.get("python"),
        "packages": (provenance.get("packages") or {}).get("sha256"), "files": source.get("files"),
        "diff": (provenance.get("diff") or {}).get("sha256"),
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def _place() -> dict[str, Any]:
    return {
        "command": without_secrets(sys.orig_argv), "folder": text_without_secrets(_working_folder()),
        "host": socket.gethostname(), "user": login(), "python": platform.python_version(),
        "executable": text_without_secrets(sys.executable or ""), "platform": platform.platform(),
    }  # fmt: skip


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


def _asked_lately(folder: Path) -> dict[str, Any] | None:
    at, git = _asked.get(folder, (0.0, None))
    return git if git is not None and time.monotonic() - at < GIT_SECONDS else None


def _kept(content: bytes, attachments: Attachments) -> dict[str, Any]:
    return {"sha256": attachments.put(content), "length": len(content)}
