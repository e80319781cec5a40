"""MongoJobs: hyperopt's view of a store as a collection of jobs, for programs that read or reserve them."""

from __future__ import annotations

import socket
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hstore.engine.evaluation.attachments import ChainAttachments
from hstore.engine.evaluation.ctrl import inject
from hstore.engine.hyperopt.document_view import Documents
from hstore.engine.hyperopt.documents import (
    JOB_STATE_DONE,
    JOB_STATE_ERROR,
    JOB_STATE_NEW,
    JOB_STATE_RUNNING,
    job_id,
)
from hstore.engine.hyperopt.mongo_reservations import Reservations
from hstore.engine.search.points import enqueue
from hstore.store.errors import InvalidValue, OperationFailure
from hstore.store.events import Document, Queued, TrialNumber
from hstore.store.experiment import Experiment
from hstore.store.store import Store

if TYPE_CHECKING:
    from gridfs import GridFS
    from pymongo.collection import Collection
    from pymongo.database import Database


CHANGEABLE = frozenset({"state", "result", "error", "misc", "refresh_time", "book_time", "owner", "version"})
_KEPT_BY_THE_LOG = "the log keeps all that happened"


class MongoJobs:
    """The jobs of all experiments of a store, in hyperopt's shape.

    Reading goes to the view `jobs`; a job's `exp_key` is the name of its experiment and its `_id` {exp, tid}. What is
    written becomes events: `insert` queues a trial (or records one that is done), `reserve` claims one for this
    process, which then keeps its lease alive, and `update` records how it ends. Nothing can be deleted.
    """

    __module__ = "hstore.mongoexp"

    tunnel = None
    """hyperopt's ssh process; see `connection_with_tunnel`."""

    def __init__(self, store: Store, config_name: str = "spec") -> None:
        from bson.son import SON
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
        self.jobs: Collection[Document] = self.db.get_collection(
            "jobs", self.db.codec_options.with_options(document_class=SON), read_concern=ReadConcern("local")
        )
        self.gfs: GridFS = GridFS(self.db, "attachments")
        self._retrying = RetryPolicy(store.url, seconds=store.timeout)
        kinds = self._retrying(lambda: [each.get("type") for each in self.db.list_collections(filter={"name": "jobs"})])
        if "view" not in kinds:
            raise OperationFailure(
                f"{store.url} holds jobs of hyperopt's own, not hstore's view of them",
                hint="`hstore import --from-hyperopt` makes experiments of them, in another database",
            )
        self._claims = store.claims
        self._reservations = Reservations(store, store.claims)
        weakref.finalize(self, self._reservations.stop)

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
        """Return those that a worker is evaluating."""
        return self._held(cursor, is_dead=False)

    def jobs_dead(self, cursor: bool = False) -> Any:
        """Return those whose worker has missed its heartbeat: they will be queued again."""
        return self._held(cursor, is_dead=True)

    def _held(self, cursor: bool, *, is_dead: bool) -> Any:
        dead = {(held.exp, held.tid) for held in self._claims.held() if held.is_over}
        running = self._found({"state": JOB_STATE_RUNNING})
        found = [job for job in running if ((job["_id"]["exp"], job["_id"]["tid"]) in dead) is is_dead]
        return iter(found) if cursor else found

    def _in_state(self, state: int, cursor: bool) -> Any:
        found = self._found({"state": state})
        return iter(found) if cursor else found

    def _found(self, query: Mapping[str, Any]) -> list[Document]:
        return self._retrying(lambda: list(self.jobs.find(query, sort=[("exp_key", 1), ("tid", 1)])))

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
        name, number = self._trial_of(doc)
        experiment = Experiment(self.store, name, only=())
        if experiment.load_trial(number) is None:
            raise self._no_job(doc)
        return ChainAttachments(experiment, number)

    def _trial_of(self, doc: Mapping[str, Any]) -> tuple[str, TrialNumber]:
        """Return the experiment and the number of the trial of *doc*, one of these jobs or of `MongoTrials`.

        Raises `OperationFailure` if there is none.
        """
        if (job := job_id(doc)) is not None:
            return job
        name = _name(doc)
        documents = Documents(Experiment(self.store, name), doc.get("exp_key"))
        documents.refresh()
        if (number := documents.number_of(doc)) is None:
            raise self._no_job(doc)
        return name, number

    def _no_job(self, doc: Mapping[str, Any]) -> OperationFailure:
        return OperationFailure(f"there is no job {doc['tid']} of {_name(doc)!r} in {self.store.url}")

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
                hint="insert it new, to be evaluated, or done; `reserve` it and `update` it then",
            )
        job |= {"_id": {"exp": name, "tid": tid}, "tid": tid, "exp_key": name}
        job["misc"] |= {"tid": tid}
        id: Document = job["_id"]
        return id

    def reserve(self, host_id: Any, cond: Any = None, exp_key: str | None = None) -> Document | None:
        """Claim the job that was queued first (of experiment *exp_key*) for *host_id*; None if none is queued.

        This process holds it until `update` gives it another state. If the process dies, it is queued again.
        """
        if cond:
            raise OperationFailure(f"reserve takes no condition: {cond!r:.80}", hint="give it an exp_key, or none")
        hidden = self.store.models.archived() if exp_key is None else set()
        names = [
            name for name in self.store.models.open_experiments() if exp_key in (None, name) and name not in hidden
        ]
        worker = str(host_id[0] if isinstance(host_id, (list, tuple)) and host_id else host_id or socket.gethostname())
        key = self._reservations.reserve(names, worker)
        return None if key is None else self._found({"exp_key": key[0], "tid": key[1]})[0]

    def refresh(self, doc: Document) -> None:
        """Extend the lease of *doc*, a job that was reserved here and is still being evaluated."""
        self.update(doc, {})

    def update(
        self, doc: Document, dct: Mapping[str, Any], collection: Any = None, do_sanity_checks: bool = True
    ) -> Document:
        """Record what became of *doc*, a job that was reserved here: *dct* has its new result, state or error.

        A result alone is a partial one. With state done, error, cancel or new (put back) this process no longer holds
        it. Returns *doc*, brought up to that. Raises `OperationFailure` if the job is not, or no longer, reserved
        here, and for what never changes.
        """
        name, number = self._trial_of(doc)
        if (name, number) not in self._reservations:
            raise OperationFailure(
                f"job {number} of {name!r} is not reserved by this process",
                hint=f"{_KEPT_BY_THE_LOG}: only the process that reserved a job reports what becomes of it",
            )
        if fixed := sorted(set(dct) - CHANGEABLE):
            raise OperationFailure(f"{', '.join(fixed)} of a job cannot be changed", hint=_KEPT_BY_THE_LOG)
        self._reservations.update((name, number), {**doc, **dct}, dct)
        doc |= dct
        return doc

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


def _active(job: Mapping[str, Any]) -> dict[str, Any]:
    vals: Mapping[str, Iterable[Any]] = job["misc"]["vals"]
    return {label: value for label, values in vals.items() for value in values}
