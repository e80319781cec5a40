"""Completion of experiment names in a shell: what `click` asks for while a person presses Tab."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from hstore.store.terminal_text import printable
from hstore.store.values import NO_NAME, is_url_of_store

SECONDS = 2.0
"""How long a store may take to answer: a person waits."""


if TYPE_CHECKING:
    Type = click.ParamType[str]
else:
    Type = click.ParamType  # of click 8.1 no generic class


class ExperimentName(Type):
    """The name of an experiment, or of a file of `hstore export -o`."""

    name = "experiment"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return *value*; refuse a URL, which may hold a password, without showing it."""
        if is_url_of_store(value):
            self.fail(f"{NO_NAME}; --store URL names a store", param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the experiments of the store whose names begin so, with their status, and files of bundles.

        Nothing if the store does not answer at once: a key must not print errors, nor start a server.
        """
        try:
            found = _experiments(ctx)
        except Exception:  # noqa: BLE001 - whatever it is, the person is typing
            found = []
        found += [(str(file), "file") for file in Path().glob("*.hstore")]
        taken = _taken(ctx, param)
        return [
            CompletionItem(name, help=printable(" ".join(said.split()))) for name, said in found
            if name.startswith(incomplete) and name not in taken and name.isprintable()
        ]  # fmt: skip


EXPERIMENT = ExperimentName()


def _taken(ctx: click.Context, param: click.Parameter) -> set[str]:
    """Return the names that were typed already, where there can be several."""
    typed = ctx.params.get(param.name or "") if param.nargs == -1 else None
    return set(typed or ())


def _experiments(ctx: click.Context) -> list[tuple[str, str]]:
    """Return name and title (or status) of each experiment in the store of --store, or of $HSTORE_URL, or the embedded
    one if that runs.
    """
    import os

    url = ctx.find_root().params.get("url") or os.environ.get("HSTORE_URL")
    if not url:
        from hstore.cli.db import embedded_server

        if embedded_server().pid is None:
            return []
    from hstore.store.open_store import open_store

    with open_store(url, patience=SECONDS) as store:
        found = store.models.overview()
    return [(str(each["_id"]), str(each.get("title") or each.get("status", ""))) for each in found]
