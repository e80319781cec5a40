"""What a trial that was read from an experiment can be asked for beyond what its events say, and how to correct it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from hstore.store.errors import InvalidValue

if TYPE_CHECKING:
    from hstore.engine.audit.explanation import Explanation
    from hstore.store.attachments import SavedAttachment
    from hstore.store.events import Event, TrialNumber
    from hstore.store.experiment import Experiment

    TrialOf = TypeVar("TrialOf", bound="TrialActions")


class TrialActions:
    """The methods of a trial that need its experiment. That does not count when trials are compared or pickled.

    A trial stays as it was read: after a correction ask the experiment for it again. All raise `InvalidValue` for a
    trial that no experiment handed out, such as one that was unpickled, and what the experiment's own methods raise.
    """

    __slots__ = ("_experiment",)

    if TYPE_CHECKING:
        tid: TrialNumber

    def explain(self) -> Explanation:
        """Return why the trial is where it is: what the search knew, and what its model expected."""
        return self._opened().explain(self.tid)

    def attachment(self, name: str) -> SavedAttachment:
        """Return its attachment *name*, to `read()` or `save(path)`."""
        return self._opened().attachment(self.tid, name)

    def void(self, *, reason: str, person: str | None = None) -> list[Event]:
        """Take the trial out of what algorithms see; see `Experiment.void`."""
        return self._opened().void(self.tid, reason=reason, person=person)

    def unvoid(self, *, reason: str, person: str | None = None) -> list[Event]:
        """Put the trial back, if it is void."""
        return self._opened().unvoid(self.tid, reason=reason, person=person)

    def amend(
        self, *, reason: str, loss: float | None = None, losses: Sequence[float] | None = None,
        constraints: Sequence[float] | None = None, person: str | None = None,
    ) -> list[Event]:  # fmt: skip
        """Let the trial count with another loss from now on; see `Experiment.amend`."""
        return self._opened().amend(
            self.tid, reason=reason, loss=loss, losses=losses, constraints=constraints, person=person
        )

    def note(self, text: str, *, person: str | None = None) -> list[Event]:
        """Add *text* to the trial."""
        return self._opened().note(text, self.tid, person=person)

    def tag(self, tag: str, *, person: str | None = None) -> list[Event]:
        """Add *tag* to the trial, unless it has it."""
        return self._opened().tag(tag, self.tid, person=person)

    def _opened(self) -> Experiment:
        try:
            experiment: Callable[[], Experiment] = self._experiment  # type: ignore[attr-defined]
        except AttributeError:
            raise InvalidValue(
                f"trial {self.tid} was not read from an experiment", hint="take it from store.experiment(name).trials"
            ) from None
        return experiment()


def handed_out(trial: TrialOf, experiment: Callable[[], Experiment]) -> TrialOf:
    """Return *trial*, whose methods use *experiment* from now on."""
    object.__setattr__(trial, "_experiment", experiment)
    return trial
