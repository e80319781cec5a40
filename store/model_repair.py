"""Repair: the read models of an experiment brought up to its log, or back to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hstore.store.folded_log import FoldedLog


def repair(experiment: FoldedLog, read_again: Callable[[], FoldedLog]) -> None:
    """Bring the read models up to *experiment*, if a writer died before it did; or back to it, if the log lost events.

    read_again: returns the experiment as the log has it by then.
    """
    models = experiment.store.models
    if ahead := models.ahead(experiment.state):
        # Others may have written since this was read. What the log shows now has all that the documents showed.
        still = models.ahead(read_again().state)
        models.remove(experiment.name, {chain: ver for chain, ver in ahead.items() if still.get(chain) == ver})
    models.repair(experiment.state)
