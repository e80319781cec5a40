"""Every error of hstore.

HstoreError                  anything below; `hint` says what to do next
├── Conflict                 another event has the place (exp, tid, ver): fenced, lost a race, already ended
├── InvalidValue             a value that the log cannot hold; names the path to it
│   ├── InvalidName          a string that cannot name an experiment
│   ├── InvalidPoint         a user's point that does not fit the space; names the label
│   │   └── ListedValue      a point with a list where one value belongs, such as those of a document
│   ├── InvalidTrial         a document that is not a trial; InvalidMongoTrial is hyperopt's, which nothing raises
│   └── InvalidEvent         an event that its chain does not allow
│       └── ClosedChain      its chain ends with an event that this program cannot read
├── NotFound                 no such experiment, trial or attachment
├── InUse                    an experiment of which workers hold trials
├── SpaceChanged             an experiment continued with another search space
├── StoreUnreachable         no MongoDB answers under the URL, or none can be started
│   ├── BadUrl               the URL is not understood
│   └── NoMongod             no mongod program on this machine to embed
├── SchemaMismatch           store and program differ in version
├── IndexLost                a store without the unique index that keeps two writers from one place of its log
├── StoreRewound             the store lost events that this process had read or appended
│   └── ExperimentRemoved    a person removed the experiment
├── VerificationFailed       the log contradicts its digests, or a replay differs from the record
│   ├── Indigestible         an experiment of which some event holds what this program does not expect
│   ├── Tampered             a log that was changed, before anything is built on it (it is a CannotLoad as well)
│   └── NotSigned            events that no key in HSTORE_KEY signs (it is a CannotLoad as well)
├── BadSearchSpace           a space that cannot be searched; names the label
│   ├── DuplicateLabel       two hyperparameters of one name
│   ├── WrongArgument        an argument of a wrong kind, or an unknown or missing one
│   ├── MissingValue         a space evaluated without the value of a hyperparameter
│   └── InvalidAnnotatedParameter  an annotation of an objective that is not a hyperparameter
├── OperationFailure         a request that hyperopt's MongoJobs cannot carry out on a job
├── ReserveTimeout           hyperopt's MongoWorker found no job in time
├── Shutdown, WaitQuit, DomainSwapError    hyperopt's, for programs that catch them: nothing raises them
├── CannotLoad               an objective that this process cannot load
├── InvalidResult            what an objective returned cannot be used
│   ├── InvalidLoss          no loss, or one that is not a real number
│   └── InvalidResultStatus  a status that is not one of hyperopt's five
└── AllTrialsFailed          no trial finished with a usable loss
"""

from __future__ import annotations

from typing import Any, ClassVar


class HstoreError(Exception):
    """Raised by hstore for problems that its user can solve; keyword values become attributes."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: Any = "", *, hint: str = "", **values: Any) -> None:
        super().__init__(message)
        if hint:
            self.add_note(f"({hint})")  # below the message in a traceback, where the hint would be missed otherwise
        self.hint = hint
        self.values = values

    def __getattr__(self, name: str) -> Any:
        # Only reached for names without a real attribute; `values` itself is missing while unpickling.
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), str(self), self.hint, self.values)


def _restore(kind: type[HstoreError], message: str, hint: str, values: dict[str, Any]) -> HstoreError:
    return kind(message, hint=hint, **values)


class Conflict(HstoreError):
    """Raised when another event has the place; fold it (`.event`) and decide again."""


class InvalidValue(HstoreError, ValueError):
    """Raised before anything is sent, for a value that no event can hold (`.path`: where it is)."""

    exit_code = 2


class InvalidName(InvalidValue):
    """Raised for an experiment's name that is empty, too long, or holds `$`, NUL or line breaks."""


class InvalidPoint(InvalidValue):
    """Raised for a user's point that does not fit the space; nothing was queued."""


class ListedValue(InvalidPoint, TypeError):
    """Raised for a list where a point has one value, as the documents of trials have lists."""


class InvalidTrial(InvalidValue):
    """Raised for a document that is not a trial; `.obj` is what was given. Nothing was inserted."""

    def __init__(self, message: Any = "", obj: Any = None, *, hint: str = "", **values: Any) -> None:
        super().__init__(message, hint=hint, obj=obj, **values)

    def __str__(self) -> str:
        return f"{self.args[0]} {self.values['obj']}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args[0], self.hint, self.values)


class InvalidMongoTrial(InvalidTrial):
    """hyperopt's; nothing raises it."""


class InvalidEvent(InvalidValue):
    """Raised at the append for an event that its chain does not allow; nothing was written."""


class ClosedChain(InvalidEvent):
    """Raised for an event behind one that this program cannot read: a newer one wrote that, or a part of it is lost.

    Nothing was written. A program that can read it goes on.
    """

    exit_code = 6


class NotFound(HstoreError, LookupError):
    """Raised for an experiment, trial or attachment that does not exist."""

    exit_code = 3


class InUse(HstoreError):
    """Raised for an experiment that is to be archived, copied or removed while trials of it are held (`.tids`)."""


class SpaceChanged(HstoreError):
    """Raised when an experiment is continued with another space; give the search another name."""

    exit_code = 2


class StoreUnreachable(HstoreError, ConnectionError):
    """Raised when no server answers; check the URL and that MongoDB runs."""

    exit_code = 5


class BadUrl(StoreUnreachable, ValueError):
    """Raised for a URL that is not a MongoDB URL with a database name."""

    exit_code = 2


class NoMongod(StoreUnreachable):
    """Raised when an embedded store is wanted and this machine has no mongod; install `hstore[embedded]`."""


class SchemaMismatch(HstoreError):
    """Raised when store and program differ in version; run `hstore migrate`, or update hstore."""

    exit_code = 5


class IndexLost(HstoreError):
    """Raised by an append to a store whose log has lost its unique index, and has two events in one place since."""

    exit_code = 6


class StoreRewound(HstoreError):
    """Raised when the store has lost events that were in it for good: `.lost` are their places, (tid, ver).

    It was restored from a backup, say, or emptied, or an event was edited to another place (`.moved`: from where to
    where). This process writes nothing more to the experiment; start a new one, which continues from what the store
    holds.
    """

    exit_code = 10


class ExperimentRemoved(StoreRewound):
    """Raised when a person has removed the experiment that this process works on; nothing puts it back."""

    exit_code = 3


class VerificationFailed(HstoreError):
    """Raised when the log contradicts its own digests or a replay differs from the record."""

    exit_code = 6


class BadSearchSpace(HstoreError, ValueError):
    """Raised while a space is built, for a part that cannot be searched; the message names the label."""

    exit_code = 2


class DuplicateLabel(BadSearchSpace):
    """Raised when two different hyperparameters have one label; rename one of them."""


class WrongArgument(BadSearchSpace, TypeError):
    """Raised for an argument of a wrong kind, or a missing, surplus or unknown one."""


class MissingValue(BadSearchSpace, AttributeError):
    """Raised when a space is evaluated without the value of a label that is active there, or of a distribution."""


class InvalidAnnotatedParameter(BadSearchSpace):
    """Raised for an annotation of an objective, given as the space, that is not a hyperparameter (`.result`)."""

    def __init__(self, message: Any = "", *, hint: str = "", **values: Any) -> None:
        super().__init__(message, hint=hint, **{"result": message, **values})


class OperationFailure(HstoreError):
    """Raised if a job is held by another worker, has ended, has no such attachment, or cannot be deleted."""


class ReserveTimeout(HstoreError):
    """Raised by `MongoWorker.run_one` when no job came in time."""


class Shutdown(HstoreError):
    """hyperopt's, for a worker told to stop; hstore requeues the trials of such a worker, and nothing raises it."""


class WaitQuit(HstoreError):
    """hyperopt's; nothing raises it."""


class DomainSwapError(HstoreError):
    """hyperopt's, for a worker that meets a second objective; a worker of hstore loads both, and nothing raises it."""


class CannotLoad(HstoreError):
    """Raised when an objective cannot be imported, unpickled or called here; nothing was claimed."""


class Indigestible(VerificationFailed):
    """Raised for an experiment that cannot be handled for what its events hold; others are not affected."""


class Tampered(VerificationFailed, CannotLoad):
    """Raised before a search goes on whose log is not what was written: `hstore verify` names what was changed.

    Nothing was appended. `fmin(…, trust=True)` and `hstore worker --force` go on all the same. `.tid` is the chain of
    what was found first (None: the experiment's own).
    """


class NotSigned(VerificationFailed, CannotLoad):
    """Raised, if `HSTORE_KEY` is set, before anything is done that depends on an event which no key in it signs."""


class InvalidResult(HstoreError, ValueError):
    """Raised when what an objective returned, `.result`, cannot be used; the trial is recorded as failed."""

    def __init__(self, message: Any = "", *, hint: str = "", **values: Any) -> None:
        super().__init__(message, hint=hint, **{"result": message, **values})


class InvalidLoss(InvalidResult):
    """Raised when a result has no loss, one that is not a real number, or another number of losses than the search."""


class InvalidResultStatus(InvalidResult):
    """Raised when a result's status is not one of `hstore.STATUS_STRINGS`."""


class AllTrialsFailed(HstoreError):
    """Raised by a request for the best trial when no trial finished with a usable loss."""
