"""SoundChains: which events of an experiment count, as they are read: no strays, nothing quarantined or forged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias
from uuid import UUID

from hstore.store.chain_digests import chain_name
from hstore.store.digest import digest_event
from hstore.store.errors import HstoreError, NotSigned, VerificationFailed
from hstore.store.event_documents import quarantined
from hstore.store.events import Event
from hstore.store.keys import Keys
from hstore.store.set_aside import Separated, SetAsideEvents, named, unsigned
from hstore.store.signed_chains import SignedChains

Chain: TypeAlias = int | None


class SoundChains:
    """Selects events of experiment *exp* for its *chains*, which hold what was read. digest: of a chain up to a ver.

    keys: with them, from `begin_to_check` on only events count that one of them signs.
    """

    def __init__(
        self, exp: str, keys: Keys | None, chains: dict[Chain, list[Event]], digest: Callable[[Chain, int], bytes]
    ) -> None:
        self._exp = exp
        self._chains = chains
        self._digest = digest
        self.signatures = None if keys is None else SignedChains(exp, keys)
        self.aside = SetAsideEvents(exp)
        self.digests: dict[UUID, bytes] = {}
        """Of chains up to the events that were just selected, by the id of the event, if they had to be computed."""
        self._is_strict = False

    def select(self, events: Sequence[Event], *, fold_again: Callable[[], None]) -> list[Event]:
        """Return those of *events*, which follow those in the chains, that count; note the others as set aside.

        One that is quarantined is replaced by what stands for it. fold_again: called when that was so of one that was
        read before.
        """
        selected: list[Event] = []
        self.digests.clear()
        # The experiment's own chain first: it says what is quarantined, and vouches for others.
        for part in ([e for e in events if e.tid is None], [e for e in events if e.tid is not None]):
            sound: Sequence[Event] = part
            if self._is_strict:
                sound, aside = self._separate_signed(part, self._chains)
                self.aside.note(aside)
            if self.aside.quarantine(named(sound)) and self._replace_quarantined():
                fold_again()
            selected += sound
        return self.aside.in_place(selected)

    def _separate_signed(self, events: Sequence[Event], known: Mapping[Chain, Sequence[Event]]) -> Separated:
        """Return which of *events*, the next ones after *known*, are signed, or were quarantined."""
        assert self.signatures is not None
        found = Separated([], [])
        has_gap = False
        for tid, group in groupby(events, key=lambda event: event.tid):
            chain, digests = list(group), []
            before = known.get(tid, ())
            after = self._digest(tid, len(before) - 1) if before else b""
            for event in chain:
                after = digest_event(event, after)
                digests.append(after)
            n = 0
            if len(before) == chain[0].ver and not (has_gap and not before):
                n = self.signatures.accept(tid, chain, digests, is_quarantined=self.aside.is_quarantined)
            has_gap = has_gap or (n == 0 and not before)
            found.sound.extend(chain[:n])
            self.digests |= {event.id: digest for event, digest in zip(chain[:n], digests, strict=False)}
            for event, digest in [*zip(chain, digests, strict=True)][n:]:
                why = self.signatures.why_not(event, digest) or "follows one that is set aside"
                found.aside.append(unsigned(event, why))
        return found

    def _replace_quarantined(self) -> bool:
        """Replace in the chains what was quarantined after it had been read; return whether there was any."""
        chains = self._chains.values()
        hit = [(chain, n) for chain in chains for n, event in enumerate(chain) if self.aside.is_quarantined(event)]
        for chain, n in hit:
            chain[n] = quarantined(chain[n])
        return bool(hit)

    def require_whole(self, observed: Callable[[Chain], int]) -> None:
        """Raise `VerificationFailed` or `NotSigned` if other events build on what is missing, or is set aside.

        observed: returns up to which ver of a chain decisions have observed.
        """
        for each in self.aside.open:
            is_in_chain = isinstance(each.tid, int | None) and isinstance(each.ver, int)
            is_built_on = is_in_chain and each.ver <= observed(each.tid)
            if not is_built_on and (each.tid is not None or self._chains.get(None)):
                continue
            if each.is_unsigned and self.signatures is not None:
                raise self.signatures.refusal(each.tid, each.ver, each.why)
            if each.missing is not None:
                raise self._missing(*each.missing)

    def require_beginning(self) -> None:
        """Raise `VerificationFailed` if trials are there, or more of the experiment's own chain, without its first."""
        if self._chains.get(None):
            return
        if self._chains or any(e.tid is None or (e.tid, e.ver) == (0, 0) for e in self.aside.open):
            raise self._missing(None, 0, "; restore it from a backup, or go on under another name")

    def _missing(self, tid: Chain, ver: int, and_then: str = "") -> VerificationFailed:
        return VerificationFailed(
            f"experiment {self._exp!r}: event {ver} of {chain_name(tid)} is missing from the log",
            hint=f"see `hstore verify {self._exp}`{and_then}", exp=self._exp, tid=tid, ver=ver,
        )  # fmt: skip

    def begin_to_check(self, read: Callable[[], Sequence[Event]]) -> bool:
        """Let only signed events count from now on; return whether all that was read must be read anew.

        read: returns the events that were read. Raises `NotSigned`, and changes nothing, if some of the experiment's
        own chain are not signed.
        """
        if self.signatures is None or self._is_strict or self._is_left_unsigned():
            return False
        events = read()
        own = self._separate_signed([event for event in events if event.tid is None], {}).aside
        if own:
            raise self.signatures.refusal(None, own[0].ver, own[0].why)
        is_mixed = bool(self._separate_signed([event for event in events if event.tid is not None], {}).aside)
        self.be_strict(anew=is_mixed)
        return is_mixed

    def be_strict(self, *, anew: bool) -> None:
        """Let only signed events count from now on. anew: forget what is set aside, since all is read again."""
        self._is_strict = self.signatures is not None and not self._is_left_unsigned()
        if anew and self._is_strict:
            self.aside = SetAsideEvents(self._exp)

    def refusal(self, chain: Chain, *, decides: bool = False, trials: int = 0) -> HstoreError | None:
        """See `SetAsideEvents.refusal`."""
        return self.aside.refusal(chain, decides=decides, trials=trials)

    def require_signed(self) -> None:
        """Raise `NotSigned` if some of the experiment's own chain were set aside since no key signs them."""
        if isinstance(refusal := self.aside.refusal(None), NotSigned):
            raise refusal

    def unsigned(self, events: Sequence[Event]) -> Separated:
        """Return *events*, all that was read, apart as `begin_to_check` would."""
        if self.signatures is None or self._is_strict or self._is_left_unsigned():
            return Separated([*events], [])
        return self._separate_signed(events, {})

    def _is_left_unsigned(self) -> bool:
        return self.signatures is not None and self.signatures.is_left_unsigned(
            self._chains.get(None, ()), self._digest
        )
