"""hyperopt's view of attachments: those of all trials beside the experiment, as ATTACH::tid::name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hstore.engine.evaluation.attachments import ChainAttachments
from hstore.engine.hyperopt.documents import DocumentTid

if TYPE_CHECKING:
    from hstore.engine.hyperopt.document_view import Documents


ATTACH = "ATTACH::"


def attached_name(tid: int, name: str) -> str:
    """Return what attachment *name* of the trial with *tid* is called beside the experiment."""
    return f"{ATTACH}{tid}::{name}"


class SharedAttachments(ChainAttachments):
    """Named contents beside an experiment; ATTACH::tid::name is what is beside one of its trials."""

    def __init__(self, documents: Documents) -> None:
        super().__init__(documents.experiment, None)
        self._documents = documents

    def _beside(self, name: Any) -> tuple[Any, str] | None:
        """Return the attachments of the trial that *name* means, and what it is called there."""
        tid, colons, inner = str(name).removeprefix(ATTACH).partition("::")
        if not (str(name).startswith(ATTACH) and colons and tid.isdigit()):
            return None
        return self._documents.attachments_of(DocumentTid(int(tid))), inner

    def __getitem__(self, name: str) -> Any:
        beside = self._beside(name)
        return super().__getitem__(name) if beside is None else beside[0][beside[1]]

    def __setitem__(self, name: str, content: Any) -> None:
        if (beside := self._beside(name)) is None:
            super().__setitem__(name, content)
        else:
            beside[0][beside[1]] = content

    def __delitem__(self, name: str) -> None:
        if (beside := self._beside(name)) is None:
            super().__delitem__(name)
        else:
            del beside[0][beside[1]]

    def __contains__(self, name: object) -> bool:
        beside = self._beside(name)
        return name in self._index() if beside is None else beside[1] in beside[0]
