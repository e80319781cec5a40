"""What a log says of where a search, or one of its trials, came from."""

from __future__ import annotations

import datetime as dt
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hstore.store.errors import NotFound, VerificationFailed
from hstore.store.events import NOTHING, Changed, Created, Data
from hstore.store.experiment import Experiment
from hstore.store.fold import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One record of it, in the experiment's own chain."""

    ver: int
    at: dt.datetime
    by: str
    provenance: Data


def recorded(experiment: Experiment) -> list[Recorded]:
    """Return every record of *experiment*, the first one from its beginning; none if there was none."""
    events = experiment.chain(None) if experiment.state.ver >= 0 else ()
    return [
        Recorded(ver=event.ver, at=event.at, by=event.by, provenance=event.provenance)
        for event in events
        if isinstance(event, (Created, Changed)) and event.provenance
    ]


def provenance_of(experiment: Experiment, trial: Trial) -> Data:
    """Return what was recorded last when *trial* was evaluated, by the clocks of the writers; empty if nothing was."""
    return _in_force(experiment, trial, "provenance")


def objective_of(experiment: Experiment, trial: Trial) -> Data:
    """Return what the log says of the objective that *trial* was evaluated with, by the clocks of the writers."""
    return _in_force(experiment, trial, "objective")


def _in_force(experiment: Experiment, trial: Trial, field: str) -> Data:
    began = trial.running or trial.queued
    found: Data = NOTHING
    for event in experiment.chain(None):
        if isinstance(event, (Created, Changed)) and (value := getattr(event, field)):
            if found and began is not None and event.at > began.at:
                break
            found = value
    return found


def part(provenance: Data, name: str) -> Data:
    """Return the part *name* of what was recorded; empty if there is none."""
    found = provenance.get(name)
    return found if isinstance(found, Mapping) else NOTHING


def packages_of(experiment: Experiment, provenance: Data) -> dict[str, str]:
    """Return the version of each distribution that was installed; empty if the list was not kept, or is lost."""
    return _texts(experiment, part(provenance, "packages"))


def source_of(experiment: Experiment, provenance: Data) -> dict[str, str]:
    """Return the text of each file of the objective's source; empty if that was not kept, or is lost."""
    return _texts(experiment, part(provenance, "source"))


def diff_of(experiment: Experiment, provenance: Data) -> str | None:
    """Return what differed from the git commit; None if that was not kept, or is lost."""
    content = _content(experiment, part(provenance, "diff"))
    return None if content is None else content.decode("utf-8", "replace")


def hashes_of(provenance: Data) -> dict[str, str]:
    """Return the SHA-256 of each file of the objective's source, in hex."""
    files = part(provenance, "source").get("files")
    pairs = files if isinstance(files, list) else []
    return {str(pair[0]): str(pair[1]) for pair in pairs if isinstance(pair, list) and len(pair) == 2}


def code_facts(provenance: Data) -> dict[str, Any]:
    """Return what tells one state of the code from another, by name."""
    git = {f"git.{name}": value for name, value in part(provenance, "git").items()}
    return {**git, **{f"source.{path}": digest for path, digest in hashes_of(provenance).items()}}


def environment_facts(provenance: Data, packages: Mapping[str, str]) -> dict[str, Any]:
    """Return what is known of the machine and of what was installed on it, by name."""
    names = ("host", "user", "folder", "python", "executable", "platform")
    facts = {name: provenance[name] for name in names if name in provenance}
    if words := command_of(provenance):
        facts["command"] = words
    return {**facts, **{f"packages.{name}": version for name, version in packages.items()}}


def command_of(provenance: Data) -> str:
    """Return the command line as a shell takes it; nothing if it is not known."""
    words = provenance.get("command")
    return shlex.join(map(str, words)) if isinstance(words, list) else ""


def _texts(experiment: Experiment, kept: Data) -> dict[str, str]:
    content = _content(experiment, kept)
    try:
        found = json.loads(content or b"{}")
    except ValueError:
        return {}
    items = found.items() if isinstance(found, dict) else ()
    return {name: text for name, text in items if isinstance(text, str)}


def _content(experiment: Experiment, kept: Data) -> bytes | None:
    sha256 = kept.get("sha256")
    if not isinstance(sha256, bytes):
        return None
    try:
        return experiment.store.attachments.get(sha256)
    except (NotFound, VerificationFailed):
        return None
