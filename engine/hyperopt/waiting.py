"""What waits for a space: documents, points and attachments that came before a search in memory had begun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hstore.engine.hyperopt.documents import DocumentTid
from hstore.engine.space import Space
from hstore.store.events import Document


@dataclass(slots=True)
class Waiting:
    """What a search in memory was given before there was a space to read it against."""

    documents: list[Document] = field(default_factory=list)
    """Inserted ones, which become trials once there is a space."""
    points: list[Mapping[str, Any]] = field(default_factory=list)
    """They are queued by the first fmin."""
    documents_of_points: list[Document] = field(default_factory=list)
    is_point_first: bool = False
    """Whether points came before documents, and so have the lower tids."""
    attachments: dict[DocumentTid, dict[str, Any]] = field(default_factory=dict)
    """Named contents beside documents that show no trial yet."""
    space: Space | None = None
    """That of the first suggestion that was asked for."""

    def give(self, points: Sequence[Mapping[str, Any]], documents: Sequence[Document]) -> None:
        """Keep *points*, and the *documents* that show them as trials to come."""
        if points and not self.points:
            self.is_point_first = not self.documents
        self.points += points
        self.documents_of_points += documents

    def take_documents(self) -> list[Document]:
        """Return the documents, which wait no longer."""
        taken, self.documents = self.documents, []
        return taken

    def take_points(self) -> list[Document]:
        """Return the documents of the points, which wait no longer."""
        taken, self.documents_of_points, self.points = self.documents_of_points, [], []
        return taken
