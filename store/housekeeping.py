"""Housekeeping of an experiment: its title, whether it is archived, where it was copied from. Each is a note."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hstore.store.correctable import Correctable
from hstore.store.errors import InUse
from hstore.store.fold import HELD
from hstore.store.values import check_title

if TYPE_CHECKING:
    from hstore.store.events import Data, Event
    from hstore.store.experiment import Experiment
    from hstore.store.state import State
    from hstore.store.store import Store

SHOWN = 5
"""How many trials a message names."""


class Housekept(Correctable):
    """What people keep in order of an experiment: no decision sees it. Arguments and results are as in `Correctable`.

    force: also while workers hold trials; without it that raises `InUse`, and nothing is written.
    """

    @property
    def title(self) -> str | None:
        """What people call it beside its name; None if nothing."""
        return self.state.title

    @property
    def is_archived(self) -> bool:
        """Whether it is hidden from lists and from workers that serve all experiments."""
        return self.state.is_archived

    @property
    def copied_from(self) -> Data | None:
        """`exp`, `store`, `head` and `events` of what it is a copy of under another name; None if it is none."""
        return self.state.copied

    def set_title(self, title: str, *, person: str | None = None) -> list[Event]:
        """Call it *title* from now on, in lists and pages; "" takes the title away. Its name stays."""
        title = check_title(title)
        return self._note([None], {"title": title}, person, lambda state: (state.title or "") != title)

    def archive(self, *, reason: str = "", person: str | None = None, force: bool = False) -> list[Event]:
        """Hide it from lists, and from workers that serve all experiments; all else stays as it is."""

        def is_wanted(state: State) -> bool:
            if not state.is_archived and not force:
                require_idle(state, "archived")
            return not state.is_archived

        return self._note([None], _archived(True, reason), person, is_wanted)

    def unarchive(self, *, reason: str = "", person: str | None = None) -> list[Event]:
        """Undo `archive`."""
        return self._note([None], _archived(False, reason), person, lambda state: state.is_archived)

    def copy(
        self, name: str | None = None, *, store: Store | None = None, person: str | None = None, force: bool = False
    ) -> Experiment:
        """Copy all of it to *store* (default: its own), there called *name* (default: the same); return the copy.

        Every digest and signature stays; under another name a note of the copy says where it came from. See
        `copying.copy_experiment` for what is raised.
        """
        from hstore.store.copying import copy_experiment
        from hstore.store.experiment import Experiment

        assert isinstance(self, Experiment)
        return copy_experiment(self, store=store, name=name, person=person, force=force).experiment


def _archived(is_archived: bool, reason: str) -> dict[str, object]:
    return {"archived": is_archived, **({"note": reason.strip()} if reason.strip() else {})}


def require_idle(state: State, done: str) -> None:
    """Raise `InUse` if workers, or fmin, hold trials of the experiment. done: what is not done to it then."""
    tids = [tid for tid in state.awaited if state.trials[tid].state in HELD]
    if tids:
        shown = ", ".join(map(str, tids[:SHOWN])) + (f" and {len(tids) - SHOWN} more" if len(tids) > SHOWN else "")
        trials = f"trial {shown} is" if len(tids) == 1 else f"trials {shown} are"
        raise InUse(
            f"{state.exp!r} was not {done}: {trials} being evaluated",
            hint=f"wait, or `hstore pause {state.exp} --now` requeues them; --force does it all the same", tids=tids,
        )  # fmt: skip
