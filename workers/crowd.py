"""Crowd: how many workers share a store, and how much less often each of them looks then."""

from __future__ import annotations

from hstore.store.claims import Claims
from hstore.store.null_objects import NoClaims

FEW = 500
"""Workers that cost a server little, each at its own intervals; more of them cost it no more than these."""


class Crowd:
    """The workers of the store behind *claims*, as many as there were at the last look."""

    def __init__(self, claims: Claims | NoClaims) -> None:
        self._claims = claims
        self.size = 1

    def look(self) -> None:
        """Count them: by the length of the collection, which a server knows."""
        self.size = max(1, self._claims.present())

    def stretch(self) -> float:
        """Return by how much intervals are longer: 1 for up to `FEW` workers, then in proportion to their number."""
        return max(1.0, self.size / FEW)
