"""`hstore diff`: in what two experiments, or two trials, differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hstore.cli.printing import print_json, print_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hstore.cli.session import Session
    from hstore.engine.audit.comparison import Row

LONGEST = 60
"""Characters of a value that a line shows; --json has all of it."""


@click.command()
@click.argument("a", metavar="A[:TID]")
@click.argument("b", metavar="B[:TID]")
@click.option("--all", "is_all", is_flag=True, help="Print what is the same as well.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list with section, name, a, b and same.")
@click.pass_obj
def diff(session: Session, a: str, b: str, is_all: bool, as_json: bool) -> None:
    """Print in what the experiments A and B differ, or trial TID of each.

    Of experiments: space, settings, code and environment, result, the best loss after the same number of trials, the
    first decision that is another, and the parameters of the best. A and B may be files of `hstore export -o`.

    \b
    hstore diff digits digits2
    hstore diff digits:53 digits2:7
    hstore diff digits:53 digits:12 --all
    """
    (name_a, tid_a), (name_b, tid_b) = _split(a), _split(b)
    if (tid_a is None) is not (tid_b is None):
        raise click.UsageError("compare two experiments or two trials: A B or A:53 B:7")
    from hstore.engine.audit.comparison import compare, compare_trials
    from hstore.store.errors import Indigestible
    from hstore.store.indigestible import BROKEN

    with session.shown(name_a) as one, session.shown(name_b) as other:
        if tid_a is not None and tid_b is not None:
            one.chain(tid_a), other.chain(tid_b)  # raise NotFound
        try:
            if tid_a is None or tid_b is None:
                rows = compare(one, other)
            else:
                rows = compare_trials(one.state.trials[tid_a], other.state.trials[tid_b])
        except BROKEN as error:
            raise Indigestible(
                f"{a!r} and {b!r} cannot be compared: an event of one of them holds what this program does not expect "
                f"({type(error).__name__}: {error!s:.200})",
                hint="see `hstore check` of each",
            ) from error
    shown = [row for row in rows if is_all or not row.is_same]
    if as_json:
        print_json([{"section": row.section, "name": row.name, "a": row.a, "b": row.b, "same": row.is_same}
                    for row in shown])  # fmt: skip
    elif not shown:
        print_text("no difference")
    else:
        print_text(_as_text(shown, a, b))


def _split(name: str) -> tuple[str, int | None]:
    experiment, colon, tid = name.rpartition(":")
    return (experiment, int(tid)) if colon and tid.isascii() and tid.isdigit() else (name, None)


def _as_text(rows: Sequence[Row], a: str, b: str) -> str:
    from hstore.cli.table import render

    cells: list[list[Any]] = [["", "", a, b]]
    section = ""
    for row in rows:
        cells.append([row.section if row.section != section else "", row.name, _shown(row.a), _shown(row.b)])
        section = row.section
    return render(cells)


def _shown(value: Any) -> Any:
    from hstore.cli.table import named, text

    if isinstance(value, bytes):
        value = value.hex()
    shown = named(value) if isinstance(value, dict) else text(value)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
