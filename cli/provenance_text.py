"""What `hstore show --provenance` prints: where an experiment came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hstore.engine.provenance.recorded import Recorded
    from hstore.store.events import Data
    from hstore.store.experiment import Experiment


def provenance_data(experiment: Experiment) -> dict[str, Any]:
    """Return all that was recorded, for --json."""
    from hstore.engine.provenance.recorded import recorded

    return {"name": experiment.name, "provenance": [_data(experiment, each) for each in recorded(experiment)]}


def provenance_text(experiment: Experiment) -> str:
    """Return the latest record in lines, and how those before it differ."""
    from hstore.cli.table import text
    from hstore.engine.provenance.recorded import recorded

    records = recorded(experiment)
    if not records:
        return (
            f"{text(experiment.name)}: nothing is recorded of where it came from (an older hstore began it, "
            "HSTORE_RECORD_PROVENANCE was 0, or it was imported)"
        )
    *earlier, latest = records
    lines = [f"experiment {text(experiment.name)}", *_lines(experiment, latest.provenance)]
    lines.append(f"recorded   {latest.at:%Y-%m-%d %H:%M:%S} by {text(latest.by)}, event {latest.ver}")
    for before, after in zip(earlier, records[1:], strict=True):
        lines.append(f"before     event {after.ver}, from event {before.ver} on:")
        lines += _changes(experiment, before.provenance, after.provenance)
    return "\n".join(lines)


def _data(experiment: Experiment, each: Recorded) -> dict[str, Any]:
    from hstore.engine.provenance.recorded import diff_of, hashes_of, packages_of, part, source_of

    said = dict(each.provenance)
    for name, more in (
        ("packages", {"versions": packages_of(experiment, each.provenance)}),
        ("source", {"files": hashes_of(each.provenance), "text": source_of(experiment, each.provenance)}),
        ("diff", {"text": diff_of(experiment, each.provenance)}),
    ):
        if name in said:
            said[name] = {**part(each.provenance, name), **more}
    return {"ver": each.ver, "at": each.at, "by": each.by, **said}


def git_line(git: Data) -> str:
    """Return what is known of the repository in a few words."""
    from hstore.cli.table import text

    if "commit" not in git:
        return f"unknown: {text(git.get('unknown', 'not recorded'))}"
    dirty = git.get("dirty")
    state = "whether files were changed is unknown" if dirty is None else "with changes" if dirty else "clean"
    branch = f" on {text(git['branch'])}" if "branch" in git else " (no branch)"
    why = f" ({text(git['unknown'])})" if "unknown" in git else ""
    return f"{text(git['commit'])}{branch}, {state}{why}"


def _lines(experiment: Experiment, said: Data) -> Iterator[str]:
    from hstore.cli.table import text
    from hstore.engine.provenance.recorded import command_of, hashes_of, part

    git, packages, source = (part(said, name) for name in ("git", "packages", "source"))
    yield f"git        {git_line(git)}"
    if "remote" in git:
        yield f"remote     {text(git['remote'])}"
    if "diff" in said:
        yield f"diff       {text(part(said, 'diff').get('length'))} bytes; --json prints it"
    yield f"command    {text(command_of(said) or 'not recorded')}"
    yield f"folder     {text(said.get('folder'))}"
    yield f"host       {text(said.get('host'))}, user {text(said.get('user'))}"
    yield f"python     {text(said.get('python'))} ({text(said.get('executable'))}) on {text(said.get('platform'))}"
    yield f"packages   {text(packages.get('n'))} distributions, SHA-256 {_hex(packages)}; --json lists them"
    files = hashes_of(said)
    if files:
        kept = "" if "sha256" in source else " (their text is not kept)"
        yield f"source     {len(files)} files{kept}"
        for path, digest in files.items():
            yield f"  {text(path)}  {text(digest[:16])}"
    else:
        yield "source     none known"


def _hex(kept: Data) -> str:
    sha256 = kept.get("sha256")
    return sha256.hex()[:16] if isinstance(sha256, bytes) else "-"


def _changes(experiment: Experiment, before: Data, after: Data) -> Iterator[str]:
    from hstore.cli.table import text
    from hstore.engine.provenance.recorded import code_facts, environment_facts, packages_of

    one, other = (code_facts(each) | environment_facts(each, packages_of(experiment, each)) for each in (before, after))
    for name in dict.fromkeys((*one, *other)):
        if one.get(name) != other.get(name):
            yield f"  {text(name)} was {text(one.get(name))}"
