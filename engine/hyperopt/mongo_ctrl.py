"""MongoCtrl: `Ctrl` of a job in a MongoDB, and how hyperopt's workers look up the command of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hstore.engine.hyperopt.ctrl import Ctrl

if TYPE_CHECKING:
    from hstore.engine.hyperopt.mongo_trials import MongoTrials


def exec_import(cmd_module: str, cmd: str) -> Any:
    """Return what *cmd*, such as "pkg.mod.name", means once *cmd_module* is imported."""
    from importlib import import_module

    import_module(cmd_module)
    root = cmd_module.partition(".")[0]
    return eval(cmd, {root: import_module(root)})


class MongoCtrl(Ctrl):
    """`Ctrl` of *current_trial*, a document of *trials*; with *read_only* `checkpoint` changes nothing."""

    __module__ = "hstore.mongoexp"

    def __init__(self, trials: MongoTrials, current_trial: Mapping[str, Any], read_only: bool) -> None:
        super().__init__(trials, experiment=trials.experiment, number=trials.documents.number_of(current_trial))
        self.read_only = read_only

    def checkpoint(self, r: Mapping[str, Any] | None = None, *, result: Mapping[str, Any] | None = None) -> None:
        """See `Ctrl.checkpoint`."""
        if not self.read_only:
            super().checkpoint(r, result=result)

    def set_attachment(self, blob: bytes | str, name: str) -> None:
        """Attach *blob* to the trial as *name*."""
        self.attachments[name] = blob
