"""Whether an objective was edited since the log last described it, and the message that says so. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from hstore.store.events import Data

SHOWN = 8
"""Characters of a version that a message quotes."""
MOST_FILES = 3


def edited_files(before: Data, now: Data) -> list[str]:
    """Return the project files that differ between two descriptions of an objective; none if one does not know them.

    Descriptions written by hstore 0.1 do not.
    """
    if not before.get("files") or not now.get("files"):
        return []
    one, other = dict(before["files"]), dict(now["files"])
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def change(before: Data, now: Data, *, trials: int) -> dict[str, Any] | None:
    """Return what `changed` says of an edited objective, when there are so many *trials*; None if it is the same.

    `after`: the last trial before. `was`, `now`: versions, of the code of the objective or, where that is the same,
    of all the files. `files`: those that differ. `python`: the versions of Python, if they differ.
    """
    files = edited_files(before, now)
    is_edited = before.get("version") != now.get("version")
    if not trials or not (is_edited or files):
        return None
    was, is_ = (str(each.get("version")) if is_edited else _of_all(each) for each in (before, now))
    data: dict[str, Any] = {"after": trials - 1, "was": was[:SHOWN], "now": is_[:SHOWN], "files": files}
    pythons = [before.get("python"), now.get("python")]
    if None not in pythons and pythons[0] != pythons[1]:
        data["python"] = pythons
    return data


def _of_all(described: Data) -> str:
    text = f"{described.get('version')} {[list(pair) for pair in described['files']]}"
    return hashlib.sha256(text.encode()).hexdigest()


def told(data: Mapping[str, Any]) -> str:
    """Return in one line what `change` says."""
    files = ["the script" if path == "__main__" else str(path) for path in data.get("files") or ()]
    edited = ""
    if files:
        more = f" and {len(files) - MOST_FILES} more" if len(files) > MOST_FILES else ""
        edited = f"; edited: {', '.join(files[:MOST_FILES])}{more}"
    versions = f"version {data.get('was')} -> {data.get('now')}"
    text = f"the objective changed after trial {data.get('after')} ({versions}{edited})"
    if pythons := data.get("python"):
        text += f"; this may be Python alone ({' -> '.join(map(str, pythons))})"
    return text
