"""The overview of a store: what its read models say of each experiment, and which of them cannot be believed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hstore.store.events import Document
from hstore.store.fold import UNREADABLE
from hstore.store.model_documents import experiment_document
from hstore.store.read_models import ReadModels
from hstore.store.state import State
from hstore.store.tally import Tally

_KINDS: dict[str, Any] = {
    "status": str, "why": str | None, "pruned": int | None, "last": dict | None, "pareto": list | None,
    "limits": dict | None, "title": str | None, "archived": bool | None,
}  # fmt: skip


def overview_in_memory(states: Iterable[State]) -> list[Document]:
    """See `Store.overview`, of experiments that were folded."""
    return [{"name": state.exp, **experiment_document(state)} for state in states]


def overview_of(models: ReadModels) -> list[Document]:
    """See `Store.overview`."""
    documents = models.overview()
    tally = models.tally([each["_id"] for each in documents if type(each["_id"]) is str and not _is_settled(each)])
    experiments: list[Document] = []
    for document in documents:
        name = document.pop("_id")
        if wrong := _wrong_fields(name, document):
            why = f"its document in `experiments` has a wrong {', '.join(wrong)}; see `hstore rebuild {name}`"
            experiments.append({"name": str(name), "status": UNREADABLE, "why": why, "counts": {}, "best": {}})
            continue
        if _is_settled(document):
            experiments.append({"name": name, **document, "best": document.get("best", {})})
            continue
        counted = tally.get(name, Tally({}, {}))
        experiments.append({"name": name, **document, "counts": counted.counts, "best": counted.best})
    return experiments


def _is_settled(document: Document) -> bool:
    """Return whether an experiment has finished, and all of its trials have: then its *document* says all there is."""
    counts, best = document.get("counts"), document.get("best", {})
    return (
        document.get("status") == "finished"
        and isinstance(best, dict)
        and isinstance(best.get("params", {}), dict)
        and isinstance(counts, dict)
        and counts.keys() <= {"done", "failed", "cancelled"}
        and all(isinstance(n, int) for n in counts.values())
        and sum(counts.values()) == document.get("trials")
    )


def _wrong_fields(name: object, document: Document) -> list[str]:
    """Return the fields of the *document* of experiment *name* that no program of hstore would have written so."""
    wrong = [field for field, kind in _KINDS.items() if not isinstance(document.get(field), kind)]
    front = document.get("pareto")
    if isinstance(front, list) and not all(
        isinstance(each, dict) and _are_numbers(each.get("losses")) for each in front
    ):
        wrong.append("pareto")
    return wrong if type(name) is str else ["_id", *wrong]


def _are_numbers(losses: object) -> bool:
    return isinstance(losses, list) and all(isinstance(loss, int | float) for loss in losses)
