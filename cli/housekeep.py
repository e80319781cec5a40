"""`hstore archive`, `unarchive`, `copy`, `rm`, `title`: keep the experiments of a store in order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_note, print_text
from hstore.cli.progress_bar import progress
from hstore.cli.session import TIMEOUT

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.store.copying import Copied
    from hstore.store.events import Event
    from hstore.store.experiment import Experiment
    from hstore.store.store import Store

REASON = click.option("--reason", metavar="TEXT", default="", help="Why; it is recorded with your name.")
FORCE = click.option("--force", is_flag=True, help="Also while workers hold trials of it.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("experiments", nargs=-1, required=True, metavar="EXPERIMENT…", type=EXPERIMENT)
@REASON
@FORCE
@AS_JSON
@click.pass_obj
def archive(session: Session, experiments: tuple[str, ...], reason: str, force: bool, as_json: bool) -> None:
    """Hide EXPERIMENT… from lists, and from workers that serve all experiments.

    Nothing else changes: `hstore show` finds it, `hstore ls --archived` lists it, `hstore unarchive` brings it back.
    It is refused while workers hold trials, unless with --force.

    \b
    hstore archive digits-old digits-older --reason "before the labels were cleaned"
    """
    _change(session, experiments, lambda found: found.archive(reason=reason, force=force), "archived", as_json)


@click.command()
@click.argument("experiments", nargs=-1, required=True, metavar="EXPERIMENT…", type=EXPERIMENT)
@REASON
@AS_JSON
@click.pass_obj
def unarchive(session: Session, experiments: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Show EXPERIMENT… again that were archived.

    \b
    hstore unarchive digits-old
    """
    _change(session, experiments, lambda found: found.unarchive(reason=reason), "no longer archived", as_json)


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.argument("title")
@AS_JSON
@click.pass_obj
def title(session: Session, experiment: str, title: str, as_json: bool) -> None:
    """Give EXPERIMENT the title TITLE, which lists show beside its name; "" takes it away.

    The name stays, and with it all that refers to it. Earlier titles stay in the log.

    \b
    hstore title digits "SVM on digits, cleaned labels"
    """
    _change(session, (experiment,), lambda found: found.set_title(title), "has the title now", as_json)


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.argument("target", metavar="URL[#NAME]|NAME")
@FORCE
@AS_JSON
@click.pass_obj
def copy(session: Session, experiment: str, target: str, force: bool, as_json: bool) -> None:
    """Copy EXPERIMENT to another store, under another name, or both.

    All of it is copied: the whole log, attachments, signatures, with every digest as it was. A search in the copy goes
    on as it would have in the original. Under another name a note says where it came from, and `hstore verify` checks
    that. Under the same name a copy that is there already gets what is new; another experiment is never touched.
    EXPERIMENT may be a file of `hstore export -o`.

    Signatures stay those of the original's key. A store whose key is another one refuses the copy until a person has
    looked at it and typed `hstore sign`.

    \b
    hstore copy digits digits-before-the-move
    hstore copy digits mongodb://archive.example/lab
    hstore copy digits mongodb://archive.example/lab#digits-2026
    """
    from hstore.store.copying import copy_experiment
    from hstore.store.values import check_new_name

    with (
        session.experiment(experiment, only=()) as found,
        _opened(session, target) as (there, name),
        progress("event") as on_progress,
    ):
        if name is not None and name != found.name:
            check_new_name(name)
        done = copy_experiment(found, store=there, name=name, force=force, on_progress=on_progress)
        refused = _refused(done)
        head = done.head
        summary = {
            "name": done.name, "store": there.url, "new": done.new, "events": done.events, "trials": done.trials,
            "head": head, "missing": list(done.missing), "not_signed": refused,
        }  # fmt: skip
    if as_json:
        print_json(summary)
        return
    from hstore.cli.table import text

    print_text(
        f"copied {text(experiment)} to {text(done.name)} in {text(there.place)}: "
        f"{done.new} new of {done.events} events, {done.trials} trials"
    )
    print_text(f"head {head.hex()}")
    if done.missing:
        print_note(
            f"{len(done.missing)} attachments were not copied: the store has lost them (`hstore verify` names them)"
        )
    if refused:
        print_note(f"{refused} events of it are signed by no key of that store: `hstore sign` lets workers act on them")


@click.command()
@click.argument("experiment", type=EXPERIMENT)
@click.option("--yes", "typed", metavar="NAME", help="Its name once more, for scripts: asks nothing.")
@REASON
@FORCE
@AS_JSON
@click.pass_obj
def rm(session: Session, experiment: str, typed: str | None, reason: str, force: bool, as_json: bool) -> None:
    """Remove EXPERIMENT for good: its events, and the attachments that no other experiment names.

    Asks for its name. A tombstone stays, with the time, your name, the reason and the head of all that was there:
    commands that are given the name say so, and a file of `hstore export -o` can be checked against the head. A search
    of that name begins anew. If it is interrupted, type it again.

    The user needs rights in MongoDB that workers do not have: see docs/roles.md. `hstore archive` only hides it.

    \b
    hstore export digits -o digits.hstore
    hstore rm digits
    hstore rm digits --yes digits --reason "confidential data"
    """
    from hstore.cli.table import counted, text

    if session.is_file(experiment):
        raise click.UsageError(f"{experiment} is a file: delete it as you delete files")
    store = session.store
    if typed is None:
        with session.summary(experiment) as summary:
            trials = counted(summary.counts, summary.pruned) or "no trials"
            print_note(
                f"{text(experiment)} in {text(store.place)}: {summary.events} events, {trials}; {summary.status}"
            )
        typed = _asked()
    if typed != experiment:
        raise click.ClickException(f"nothing was removed: {typed!r} is not the name {experiment!r}")
    with progress("event") as on_progress:
        removed = store.remove(experiment, reason=reason, force=force, on_progress=on_progress)
    if as_json:
        print_json({"name": experiment, "events": removed.events, "attachments": removed.attachments}
                   | {"removal": removal_data(removed.removal)})  # fmt: skip
        return
    print_text(f"removed {text(experiment)}: {removed.events} events, {removed.attachments} attachments")
    print_text(f"head {removed.removal.head.hex()}")


def removal_data(removal: Any) -> dict[str, Any]:
    """Return a tombstone by the names that JSON has for it."""
    names = ("at", "person", "reason", "head", "events", "trials")
    return {name: getattr(removal, name) for name in names}


def _asked() -> str:
    try:
        return str(click.prompt("type its name to remove it for good", err=True, default="", show_default=False))
    except click.Abort:
        if sys.stdin is not None and sys.stdin.isatty():
            raise
        print_note("")  # behind the question
        raise click.UsageError("nothing was removed: in a script give --yes NAME") from None


def _change(
    session: Session, names: tuple[str, ...], change: Callable[[Experiment], list[Event]], done: str, as_json: bool
) -> None:
    from hstore.cli.table import text

    answers = []
    for name in names:
        with session.experiment(name) as found:
            written = change(found)
            answers.append(
                {"name": found.name, "changed": bool(written), "archived": found.is_archived, "title": found.title}
            )
        if not as_json:
            news = f"{done}" if written else "nothing to do: it is so already"
            print_note(f"{text(name)}: {news}")
    if as_json:
        print_json(answers)


@contextmanager
def _opened(session: Session, target: str) -> Iterator[tuple[Store, str | None]]:
    """Yield the store, and the name there, that *target* says; no name: the same."""
    if "://" not in target:
        yield session.store, target
        return
    from hstore.store.open_store import open_store

    url, _, name = target.partition("#")
    with open_store(url, patience=TIMEOUT) as store:
        yield store, name or None


def _refused(done: Copied) -> int:
    """Return how many events of the copy a process with the keys of its store would set aside."""
    from hstore.store.signatures import are_all_signed

    store, name = done.store, done.name
    if are_all_signed(store.log.documents(name), store.keys):
        return 0
    return len(store.experiment(name).set_aside_if_signed())
