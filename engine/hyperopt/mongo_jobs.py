"""MongoJobs: hyperopt's view of a store as a heap of jobs, for programs that look at them or take them."""

from __future__ import annotations

import os
import socket
import uuid
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.attachments import ChainAttachments
from hstore.engine.evaluation.ctrl import Ctrl, inject
from hstore.engine.evaluation.heartbeat import Heartbeat
from hstore.engine.evaluation.results import STATUS_NEW, as_result
from hstore.engine.hyperopt.documents import (
    JOB_STATE_CANCEL,
    JOB_STATE_DONE,
    JOB_STATE_ERROR,
    JOB_STATE_NEW,
    JOB_STATE_RUNNING,
)
from hstore.engine.search.points import enqueue
from hstore.store.errors import Conflict, InvalidValue, OperationFailure
from hstore.store.events import RELEASED, Cancelled, Document, Done, Queued, Reported, Requeued, Reserved
from hstore.store.messages import Log
from hstore.store.store import Experiment, PendingEvent, Store, now
from hstore.store.values import normalise

if TYPE_CHECKING:
    from gridfs import GridFS
    from pymongo.collection import Collection
    from pymongo.database import Database

    from hstore.engine.hyperopt.mongo_trials import MongoTrials

LOG = Log("mongoexp")

LEASE_SECONDS, TICKET_SECONDS = 60.0, 5.0
"""A job that was reserved here goes back to the queue so long after this process has died."""
CHANGEABLE = frozenset({"state", "result", "error", "misc", "refresh_time", "book_time", "owner", "version"})
_KEPT_BY_THE_LOG = "the log keeps all that happened"


class MongoJobs:
    """The jobs of all experiments of a store, in hyperopt's shape.

    Reading goes to the view `jobs`; a job's `exp_key` is the name of its experiment and its `_id` {exp, tid}. What is
    written becomes events: `insert` queues a trial (or records one that is done), `reserve` claims one for this
    process, which then keeps its lease alive, and `update` tells how it ends. Nothing can be deleted.
    """

    __module__ = "hstore.mongoexp"

    tunnel = None
    """hyperopt's ssh process; see `connection_with_tunnel`."""

    def __init__(self, store: Store, config_name: str = "spec") -> None:
        from gridfs import GridFS
        from pymongo.read_concern import ReadConcern

        from hstore.store.retry import RetryPolicy

        if store.database is None:
            raise InvalidValue("there are no jobs but in a MongoDB", hint="Trials in memory have `trials`")
        self.store = store
        self.config_name = config_name
        self.db: Database[Document] = store.database
        self.conn = self.db.client
        # As they are now, what this process has just written included.
        self.jobs: Collection[Document] = self.db.get_collection("jobs", read_concern=ReadConcern("local"))
        self.gfs: GridFS = GridFS(self.db, "attachments")
        self._retrying = RetryPolicy(store.url, seconds=store.timeout)
        kinds = self._retrying(lambda: [each.get("type") for each in self.db.list_collections(filter={"name": "jobs"})])
        if "view" not in kinds:
            raise OperationFailure(
                f"{store.url} holds jobs of hyperopt's own, not hstore's view of them",
                hint="`hstore import --from-hyperopt` makes experiments of them, in another database",
            )
        self._claims = store.claims
        self._session = uuid.uuid4().hex
        self._heartbeat: Heartbeat | None = None
        self._reserved: dict[tuple[str, int], tuple[Experiment, Reserved]] = {}

    @classmethod
    def of(cls, store: Store) -> MongoJobs:
        """Return the jobs of *store*, which stays its owner's."""
        return cls(store)

    @classmethod
    def new_from_connection_str(cls, conn_str: str, gfs_coll: str = "fs", config_name: str = "spec") -> MongoJobs:
        """Return the jobs of the store at *conn_str*, any URL of a MongoDB. *gfs_coll* is hyperopt's."""
        from hstore.store.open_store import open_store

        store = open_store(conn_str)
        try:
            jobs = cls(store, config_name)
        except BaseException:
            store.close()
            raise
        weakref.finalize(jobs, store.close)
        return jobs

    @classmethod
    def alloc(
        cls, dbname: str, host: str = "localhost", auth_dbname: str | None = "admin", port: int = 27017,
        jobs_coll: str = "jobs", gfs_coll: str = "fs", ssh: bool = False, user: str | None = None,
        pw: str | None = None,
    ) -> MongoJobs:  # fmt: skip
        """Return the jobs of database *dbname* of the server at *host* and *port*."""
        from urllib.parse import quote_plus

        from hstore.store.url import needs_tunnel, read_pw

        if ssh:
            raise needs_tunnel(f"ssh+mongo://{host}:{port}/{dbname}/jobs")
        login = "" if user is None else f"{quote_plus(user)}:{quote_plus(read_pw() if pw is None else pw)}@"
        source = "" if user is None or auth_dbname is None else f"?authSource={auth_dbname}"
        return cls.new_from_connection_str(f"mongodb://{login}{host}:{port}/{dbname}{source}")

    # -- reading ------------------------------------------------------------------------------------------------

    @property
    def collection(self) -> Collection[Document]:
        """The view `jobs`."""
        return self.jobs

    def __len__(self) -> int:
        return self._retrying(lambda: self.jobs.count_documents({}))

    def __iter__(self) -> Iterator[Document]:
        return iter(self._found({}))

    def jobs_complete(self, cursor: bool = False) -> Any:
        """Return the jobs that are done: a list, or with *cursor* an iterator over it."""
        return self._in_state(JOB_STATE_DONE, cursor)

    def jobs_error(self, cursor: bool = False) -> Any:
        """Return those that failed."""
        return self._in_state(JOB_STATE_ERROR, cursor)

    def jobs_queued(self, cursor: bool = False) -> Any:
        """Return those that wait for a worker."""
        return self._in_state(JOB_STATE_NEW, cursor)

    def jobs_running(self, cursor: bool = False) -> Any:
        """Return those that a worker holds and keeps alive."""
        dead = self._dead()
        found = [job for job in self._found({"state": JOB_STATE_RUNNING}) if _place(job) not in dead]
        return iter(found) if cursor else found

    def jobs_dead(self, cursor: bool = False) -> Any:
        """Return those whose worker fell silent, so that they will be queued again."""
        dead = self._dead()
        found = [job for job in self._found({"state": JOB_STATE_RUNNING}) if _place(job) in dead]
        return iter(found) if cursor else found

    def _in_state(self, state: int, cursor: bool) -> Any:
        found = self._found({"state": state})
        return iter(found) if cursor else found

    def _found(self, query: Mapping[str, Any]) -> list[Document]:
        return self._retrying(lambda: list(self.jobs.find(query, sort=[("exp_key", 1), ("tid", 1)])))

    def _dead(self) -> set[tuple[str, int]]:
        return {(held.exp, held.tid) for held in self._claims.held() if held.is_over}

    # -- attachments --------------------------------------------------------------------------------------------

    def attachment_names(self, doc: Mapping[str, Any]) -> list[str]:
        """Return the names of what is attached to the job *doc*."""
        return list(self._attachments(doc))

    def get_attachment(self, doc: Mapping[str, Any], name: str) -> bytes:
        """Return what is attached to *doc* as *name*; raises `OperationFailure` if nothing is."""
        try:
            return self._attachments(doc)[name]  # type: ignore[no-any-return]
        except KeyError:
            raise OperationFailure(f"Attachment not found: {name}") from None

    def set_attachment(self, doc: Mapping[str, Any], blob: bytes | str, name: str, collection: Any = None) -> None:
        """Attach *blob* to *doc* as *name*, in the place of what was there."""
        self._attachments(doc)[name] = blob

    def delete_attachment(self, doc: Mapping[str, Any], name: str, collection: Any = None) -> None:
        """Take *name* off *doc*; the log still has it. Raises `OperationFailure` if there is none."""
        try:
            del self._attachments(doc)[name]
        except KeyError:
            raise OperationFailure(f"Attachment not found: {name}") from None

    def _attachments(self, doc: Mapping[str, Any]) -> ChainAttachments:
        name, tid = _place(doc)
        experiment = Experiment(self.store, name, only=())
        if experiment.load_trial(tid) is None:
            raise OperationFailure(f"there is no job {tid} of {name!r} in {self.store.url}")
        return ChainAttachments(experiment, tid)

    # -- writing ------------------------------------------------------------------------------------------------

    def create_indexes(self) -> None:
        """Do nothing: a store has its indexes from the beginning. So with the next two."""

    create_jobs_indexes = create_drivers_indexes = create_indexes

    def insert(self, job: Document) -> Document:
        """Queue a trial at the values of *job*, or add it if it is done; return its `_id`, which *job* has then too.

        Its experiment, `exp_key`, must have begun. The log gives out the tid. Raises `InvalidPoint` for values that
        are not of the space, `InvalidValue` for a job in any other state.
        """
        name, vals = _name(job), _active(job)
        experiment = self.store.experiment(name)
        if job["state"] == JOB_STATE_NEW:
            (tid,) = enqueue(experiment, [vals], why="inserted").tids(Queued)
        elif job["state"] == JOB_STATE_DONE:
            (tid,) = inject(experiment, [(vals, job["result"])])
        else:
            raise InvalidValue(
                f"a job cannot be inserted in state {job['state']!r}",
                hint="insert it new, to be evaluated, or done; `reserve` and `update` tell what becomes of it",
            )
        job |= {"_id": {"exp": name, "tid": tid}, "tid": tid, "exp_key": name}
        job["misc"] |= {"tid": tid}
        id: Document = job["_id"]
        return id

    def reserve(self, host_id: Any, cond: Any = None, exp_key: str | None = None) -> Document | None:
        """Claim the job that was queued first (of experiment *exp_key*) for *host_id*; None if none is queued.

        It is this process's until `update` gives it another state; should the process die it is queued again.
        """
        if cond:
            raise OperationFailure(f"reserve takes no condition: {cond!r:.80}", hint="give it an exp_key, or none")
        names = [name for name in self.store.models.open_experiments() if exp_key in (None, name)]
        worker = str(host_id[0] if isinstance(host_id, (list, tuple)) and host_id else host_id or socket.gethostname())
        while names and (place := self._claims.take_ticket(self._session, names, seconds=TICKET_SECONDS)):
            experiment = Experiment(self.store, place[0], only=())
            trial = experiment.load_trial(place[1])
            if trial is None or trial.state != "queued" or experiment.state.status != "open":
                experiment.project(place[1], lease=LEASE_SECONDS)  # what led us here lags behind
                continue
            pending = [
                attempt.claim(trial.tid, attempts=trial.attempt, worker=worker),
                attempt.begin(trial.tid, pid=os.getpid(), objective=None),
            ]
            with suppress(Conflict):
                experiment.append(experiment.compose(*pending))
                taken = experiment.state.trials[trial.tid].reserved
                assert taken is not None
                self._hold(place, experiment, taken)
                return self._found({"exp_key": place[0], "tid": place[1]})[0]
        return None

    def _hold(self, place: tuple[str, int], experiment: Experiment, taken: Reserved) -> None:
        if self._heartbeat is None:
            self._heartbeat = Heartbeat(self._claims, self._session, lease=LEASE_SECONDS)
            weakref.finalize(self, self._heartbeat.stop)
        self._reserved[place] = experiment, taken
        self._heartbeat.hold(place, taken.ver)
        self._claims.extend(self._session, {place: taken.ver}, seconds=LEASE_SECONDS)

    def refresh(self, doc: Document) -> None:
        """Say that *doc*, which was reserved here, is still being worked on."""
        self.update(doc, {})

    def update(
        self, doc: Document, dct: Mapping[str, Any], collection: Any = None, do_sanity_checks: bool = True
    ) -> Document:
        """Tell what became of *doc*, a job that was reserved here: *dct* has its new result, state or error.

        A result alone is a partial one. With state done, error, cancel or new (put back) it is let go. Returns *doc*,
        brought up to that. Raises `OperationFailure` if the job is not, or no longer, reserved here, and for what
        never changes.
        """
        place = _place(doc)
        if place not in self._reserved:
            raise OperationFailure(
                f"job {place[1]} of {place[0]!r} is not reserved by this process",
                hint=f"{_KEPT_BY_THE_LOG}: only who reserves a job tells what becomes of it",
            )
        if fixed := sorted(set(dct) - CHANGEABLE):
            raise OperationFailure(f"{', '.join(fixed)} of a job cannot be changed", hint=_KEPT_BY_THE_LOG)
        experiment, taken = self._reserved[place]
        merged = {**doc, **dct}
        pending, is_end = self._drafts(experiment, place[1], merged, dct)
        try:
            if pending:
                attempt.append_held(experiment, taken, pending)
            self._claims.extend(self._session, {} if is_end else {place: taken.ver}, seconds=LEASE_SECONDS)
        except Conflict as error:
            self._let_go(place)
            raise OperationFailure(f"job {place[1]} of {place[0]!r} was taken from this process") from error
        if is_end:
            self._let_go(place)
        doc |= dct
        return doc

    def _drafts(
        self, experiment: Experiment, tid: int, job: Mapping[str, Any], dct: Mapping[str, Any]
    ) -> tuple[list[PendingEvent], bool]:
        """Return what the log is to hear of *job*, which has just got *dct*, and whether that ends the attempt."""
        result: Mapping[str, Any] = job.get("result") or {"status": STATUS_NEW}
        match dct.get("state", JOB_STATE_RUNNING):
            case state if state == JOB_STATE_RUNNING:
                is_news = "result" in dct
                return ([(Reported, tid, {"result": normalise(dict(result), path="result")})] if is_news else []), False
            case state if state == JOB_STATE_DONE:
                plain = attempt.plain_result(as_result(result), LOG.warning)
                began = experiment.state.trials[tid].running
                assert began is not None
                return [(Done, tid, attempt.done(plain, (now() - began.at).total_seconds()))], True
            case state if state == JOB_STATE_ERROR:
                kind, message = [*(job.get("error") or job["misc"].get("error") or ()), "", ""][:2]
                created = experiment.state.created
                assert created is not None
                kind = str(kind).removeprefix("<class '").removesuffix("'>") or "unknown"
                failure = {"error": kind, "message": str(message)[: attempt.LONGEST_MESSAGE]}
                return attempt.after(experiment.state.trials[tid], "failed", failure, created.retries), True
            case state if state == JOB_STATE_CANCEL:
                return [(Cancelled, tid, {"why": "cancelled by its worker"})], True
            case state if state == JOB_STATE_NEW:
                return [(Requeued, tid, {"why": "put back by its worker", "cause": RELEASED})], True
            case other:
                raise OperationFailure(f"{other!r} is no state of a job")

    def _let_go(self, place: tuple[str, int]) -> None:
        del self._reserved[place]
        assert self._heartbeat is not None
        self._heartbeat.let_go(place)

    def delete(self, job: Mapping[str, Any]) -> None:
        """Raise `OperationFailure`: nothing is deleted."""
        raise self._cannot_delete()

    def delete_all(self, cond: Any = None) -> None:
        """Raise `OperationFailure`: nothing is deleted."""
        raise self._cannot_delete()

    def delete_all_error_jobs(self) -> None:
        """Raise `OperationFailure`: nothing is deleted."""
        raise self._cannot_delete()

    def _cannot_delete(self) -> OperationFailure:
        return OperationFailure(
            f"no job is deleted: {_KEPT_BY_THE_LOG}",
            hint="search under another exp_key; `hstore stop` cancels what is queued, `hstore retry` repeats failures",
        )


def _name(doc: Mapping[str, Any]) -> str:
    """Return the experiment of a job; trials without an exp_key are of the one that `MongoTrials` calls "default"."""
    return doc.get("exp_key") or "default"


def _place(doc: Mapping[str, Any]) -> tuple[str, int]:
    return _name(doc), doc["tid"]


def _active(job: Mapping[str, Any]) -> dict[str, Any]:
    vals: Mapping[str, Iterable[Any]] = job["misc"]["vals"]
    return {label: value for label, values in vals.items() for value in values}


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
        super().__init__(trials, experiment=trials.experiment, number=current_trial["tid"])
        self.read_only = read_only

    def checkpoint(self, r: Mapping[str, Any] | None = None, *, result: Mapping[str, Any] | None = None) -> None:
        """See `Ctrl.checkpoint`."""
        if not self.read_only:
            super().checkpoint(r, result=result)

    def set_attachment(self, blob: bytes | str, name: str) -> None:
        """Attach *blob* to the trial as *name*."""
        self.attachments[name] = blob
