"""A search as an RO-Crate: a folder with the search, its report, its trials, and a description of them in JSON-LD.

RO-Crate 1.1 (https://w3id.org/ro/crate/1.1), profile Process Run Crate 0.5 (https://w3id.org/ro/wfrun/process/0.5): the
search is an action, which hstore carried out for a person, and whose result the files are.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hstore.engine.provenance import recorded
from hstore.engine.report.as_html import as_html
from hstore.engine.report.sections import report_of
from hstore.engine.space import Space
from hstore.store.bundle import write_bundle
from hstore.store.errors import HstoreError
from hstore.store.events import happened
from hstore.store.experiment import Experiment
from hstore.store.tables import table_of
from hstore.store.terminal_text import printable

METADATA, BUNDLE, REPORT, TRIALS, SPACE = (
    "ro-crate-metadata.json", "search.hstore", "report.html", "trials.csv", "space.json",
)  # fmt: skip
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
NO_LICENCE = "No licence was given; ask the author before you use it."
_STATUS = {"open": "ActiveActionStatus", "paused": "PotentialActionStatus", "finished": "CompletedActionStatus"}


def write_crate(
    experiment: Experiment, folder: Path, *, hstore: str, licence: str | None = None, with_figures: bool = True
) -> list[str]:
    """Write *experiment* as a crate into *folder*, which is made; return the names of the files.

    hstore: the version that writes it. licence: the URL of that under which the crate is passed on.
    Raises `OSError`, and `InvalidEvent` as `write_bundle` does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_bundle(experiment, folder / BUNDLE, version=hstore)
    made = report_of(experiment, hstore=hstore, file=BUNDLE, with_figures=with_figures)
    (folder / REPORT).write_text(as_html(made), encoding="utf-8")
    (folder / TRIALS).write_text(_csv(experiment), encoding="utf-8", newline="")
    (folder / SPACE).write_text(json.dumps(_space(experiment), indent=1) + "\n", encoding="utf-8")
    files = {name: (folder / name).read_bytes() for name in (BUNDLE, REPORT, TRIALS, SPACE)}
    described = metadata(experiment, files, hstore=hstore, licence=licence)
    (folder / METADATA).write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    return [METADATA, *files]


def metadata(
    experiment: Experiment, files: Mapping[str, bytes], *, hstore: str, licence: str | None = None
) -> dict[str, Any]:
    """Return the description of a crate of *experiment* with *files*, as JSON-LD."""
    licence_id = licence or "#licence"
    graph: list[dict[str, Any]] = [
        {
            "@id": METADATA, "@type": "CreativeWork", "about": {"@id": "./"},
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        },
        {
            "@id": "./", "@type": "Dataset", "name": printable(f"The search {experiment.name}"),
            "description": printable(_description(experiment)), "datePublished": _ended(experiment),
            "license": {"@id": licence_id}, "author": {"@id": "#agent"}, "conformsTo": {"@id": PROFILE},
            "hasPart": [{"@id": name} for name in files], "mentions": {"@id": "#search"},
        },
        {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
        {"@id": licence_id, "@type": "CreativeWork", "name": licence or "no licence",
         "description": NO_LICENCE if licence is None else licence},
        *_software(experiment, hstore),
        _agent(experiment),
        *_settings(experiment),
        _action(experiment, files),
        *_files(files),
    ]  # fmt: skip
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}


def _description(experiment: Experiment) -> str:
    state = experiment.state
    best = state.best
    found = f"; the best is trial {best.tid} with the loss {best.loss!r}" if best is not None else ""
    found = found or (f"; the Pareto front has {len(state.pareto)} trials" if state.pareto else "; no trial has a loss")
    return (
        f"A hyperparameter search of {len(state.trials)} trials by the algorithm {state.algorithm.get('name')}{found}. "
        f"{BUNDLE} is its whole log: `hstore verify {BUNDLE} --head {experiment.head.hex()}` proves that nothing in "
        "it was changed, `hstore replay` makes every suggestion again."
    )


def _software(experiment: Experiment, hstore: str) -> Iterator[dict[str, Any]]:
    created, said = experiment.state.created, experiment.state.provenance
    prints: Mapping[str, Any] = {} if created is None else created.fingerprint
    yield {
        "@id": "#hstore", "@type": "SoftwareApplication", "name": "hstore",
        "softwareVersion": str(prints.get("hstore", hstore)),
        "url": {"@id": "https://pypi.org/project/hstore/"}, "softwareRequirements": f"Python {prints.get('python')}",
    }  # fmt: skip
    objective = experiment.state.objective
    git = recorded.part(said, "git")
    code: dict[str, Any] = {
        "@id": "#objective", "@type": "SoftwareSourceCode", "name": printable(objective.get("name", "objective")),
        "programmingLanguage": "Python",
    }  # fmt: skip
    if "version" in objective or "commit" in git:
        code["version"] = printable(git.get("commit") or objective.get("version"))
    if "remote" in git:
        code["codeRepository"] = printable(git["remote"])
    yield code


def _agent(experiment: Experiment) -> dict[str, Any]:
    said, created = experiment.state.provenance, experiment.state.created
    by = created.by if created is not None else "unknown"
    return {"@id": "#agent", "@type": "Person", "name": printable(said.get("user") or by)}


def _settings(experiment: Experiment) -> Iterator[dict[str, Any]]:
    state = experiment.state
    generator = state.created.generator if state.created is not None else {}
    for name, value in (
        ("algorithm", dict(state.algorithm)), ("limits", dict(state.limits)), ("pruner", dict(state.pruner) or None),
        ("generator", dict(generator)),
    ):  # fmt: skip
        if value:
            yield {"@id": f"#{name}", "@type": "PropertyValue", "name": name, "value": json.dumps(value, default=str)}


def _action(experiment: Experiment, files: Mapping[str, bytes]) -> dict[str, Any]:
    state = experiment.state
    inputs = ["#objective", SPACE, *(each["@id"] for each in _settings(experiment))]
    failed = state.status == "finished" and state.best is None and not state.pareto
    command = recorded.command_of(state.provenance) or shlex.join(["hstore", "show", experiment.name])
    status = "FailedActionStatus" if failed else _STATUS[state.status]
    action: dict[str, Any] = {
        "@id": "#search", "@type": "CreateAction", "name": printable(f"Search of {experiment.name}"),
        "description": printable(command),
        "instrument": {"@id": "#hstore"}, "agent": {"@id": "#agent"}, "object": [{"@id": each} for each in inputs],
        "result": [{"@id": name} for name in files if name != SPACE],
        "actionStatus": {"@id": f"http://schema.org/{status}"},
    }  # fmt: skip
    if state.created is not None:
        action["startTime"] = happened(state.created).isoformat()
    if state.status == "finished":
        action["endTime"] = _ended(experiment)
    if failed:
        action["error"] = "no trial finished with a usable loss"
    return action


def _files(files: Mapping[str, bytes]) -> Iterator[dict[str, Any]]:
    about = {
        BUNDLE: ("The whole log of the search", "application/zip"),
        REPORT: ("A report of the search to read", "text/html"),
        TRIALS: ("The trials, one a row", "text/csv"),
        SPACE: ("The space that was searched", "application/json"),
    }
    for name, content in files.items():
        title, kind = about[name]
        yield {
            "@id": name, "@type": "File", "name": title, "encodingFormat": kind, "contentSize": str(len(content)),
            "sha256": hashlib.sha256(content).hexdigest(),
        }  # fmt: skip


def _ended(experiment: Experiment) -> str:
    last = experiment.state.last
    return happened(last).isoformat() if last is not None else "1970-01-01"


def _space(experiment: Experiment) -> dict[str, str]:
    try:
        space = Space.from_data(experiment.state.space)
    except HstoreError:
        return {}
    return {label: space.describe(label) for label in space.as_written}


def _csv(experiment: Experiment) -> str:
    import csv
    import io

    stream, table = io.StringIO(newline=""), table_of(experiment, "trials")
    writer = csv.writer(stream)
    writer.writerow(table)
    for values in zip(*(column.values for column in table.values()), strict=True):
        writer.writerow(["" if value is None else value for value in values])
    return stream.getvalue()
