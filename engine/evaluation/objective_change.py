"""Whether an objective was edited since the log last described it, and the message that says so. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from hstore.store.events import Data

SHOWN = 8
"""Characters of a version that a message quotes."""
MOST_FILES = 3
MOST_CHARACTERS = 200


def edited_files(before: Data, now: Data) -> list[str]:
    """Return the project files that differ between two descriptions of an objective; none if one does not know them.

    Descriptions written by hstore 0.1 do not.
    """
    if not before.get("files") or not now.get("files"):
        return []
    one, other = dict(before["files"]), dict(now["files"])
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def other_measures(before: Data, now: Data) -> dict[str, list[str]]:
    """Return [was, is] of what two descriptions of an objective say differently of what its losses are."""
    one, other = before.get("measures") or {}, now.get("measures") or {}
    return {what: [str(one[what]), str(other[what])] for what in one if what in other and one[what] != other[what]}


def other_values(before: Data, now: Data) -> list[str]:
    """Return the names of what the objective was given that differ between two descriptions; none if one has none."""
    one, other = before.get("given"), now.get("given")
    if not one or not other:
        return []
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def change(before: Data, now: Data, *, trials: int) -> dict[str, Any] | None:
    """Return what `changed` says of an edited objective, when there are so many *trials*; None if it is the same.

    `after`: the last trial before. `was`, `now`: versions, of the code of the objective or, where that is the same,
    of all the files. `files`: those that differ. `python`: the versions of Python, if they differ. `given`: names of
    what it was given that differs; `measures`: [was, is] of what its losses are.
    """
    files, given, measures = edited_files(before, now), other_values(before, now), other_measures(before, now)
    is_edited = before.get("version") != now.get("version")
    if not trials or not (is_edited or files or given or measures):
        return None
    was, is_ = (str(each.get("version")) if is_edited or not files else _of_all(each) for each in (before, now))
    data: dict[str, Any] = {"after": trials - 1, "was": was[:SHOWN], "now": is_[:SHOWN], "files": files}
    data |= ({"given": given} if given else {}) | ({"measures": measures} if measures else {})
    pythons = [before.get("python"), now.get("python")]
    if None not in pythons and pythons[0] != pythons[1]:
        data["python"] = pythons
    return data


def _list(given: Any) -> list[Any]:
    """Return *given*, or nothing if a log that others wrote has no list there."""
    return list(given) if isinstance(given, (list, tuple)) else []


def _of_all(described: Data) -> str:
    text = f"{described.get('version')} {[list(pair) for pair in described['files']]}"
    return hashlib.sha256(text.encode()).hexdigest()


def describe_change(data: Mapping[str, Any]) -> str:
    """Return in one line what `change` says."""
    files = ["the script" if path == "__main__" else str(path) for path in data.get("files") or ()]
    edited = ""
    if files:
        more = f" and {len(files) - MOST_FILES} more" if len(files) > MOST_FILES else ""
        edited = f"; edited: {', '.join(files[:MOST_FILES])}{more}"
    said = [f"version {data.get('was')} -> {data.get('now')}{edited}"] if data.get("was") != data.get("now") else []
    if given := _list(data.get("given")):
        more = f" and {len(given) - MOST_FILES} more" if len(given) > MOST_FILES else ""
        said.append(f"another value of {', '.join(map(str, given[:MOST_FILES]))}{more}")
    measures = data.get("measures")
    for what, pair in measures.items() if isinstance(measures, Mapping) else ():
        said.append(f"{what} {' -> '.join(map(str, _list(pair)))}"[:MOST_CHARACTERS])
    text = f"the objective changed after trial {data.get('after')} ({'; '.join(said)})"
    if pythons := data.get("python"):
        text += f"; this may be Python alone ({' -> '.join(map(str, pythons))})"
    return text
