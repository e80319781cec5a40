"""SparkTrials: searches whose trials are evaluated by workers that run as tasks on Spark."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hstore.engine.hyperopt.documents import JOB_STATE_CANCEL, JOB_STATE_DONE, JOB_STATE_ERROR
from hstore.engine.hyperopt.mongo_trials import MongoTrials
from hstore.engine.search.control import stop
from hstore.store.errors import HstoreError, InvalidValue, StoreUnreachable
from hstore.store.experiment import Experiment, now
from hstore.store.messages import shown_on_stderr

if TYPE_CHECKING:
    from hstore.store.store import Store

FMIN_CANCELLED_REASON_EARLY_STOPPING = "early stopping condition"
FMIN_CANCELLED_REASON_TIMEOUT = "fmin run timeout"
FMIN_CANCELLED_REASON_USER = "fmin run cancelled by user"
_REASONS = {"timeout": FMIN_CANCELLED_REASON_TIMEOUT, "early_stop": FMIN_CANCELLED_REASON_EARLY_STOPPING}
_NO_REASONS = {"max_evals", "loss_threshold", "exhausted"}

LOOK_SECONDS = 0.5
"""How often a task looks whether the search goes on."""
STOP_SECONDS = 20.0
"""Seconds that Spark's job gets to end after the search, before it is cancelled."""


class SparkTrials(MongoTrials):
    """Trials of a search in a store, evaluated by *parallelism* workers, each a task of one Spark job per fmin.

    parallelism: Spark's default without it, `MAX_CONCURRENT_JOBS_ALLOWED` at most. timeout, loss_threshold: those of
    `fmin` where it is given none. spark_session: the active one, or a new one, without it. resource_profile: what
    each worker needs, as `RDD.withResources` takes it.
    store: a `Store` or the URL of one that the executors reach; `$HSTORE_URL` without it, and without that the
    embedded MongoDB, which reaches as far as a local master does. exp_key: the experiment; a new one without it. With
    one a search that was stopped goes on.

    A worker evaluates one trial at a time in a process of its own. Executors need hstore installed, and what the
    objective imports. Raises `HstoreError` without pyspark and `StoreUnreachable` for an embedded store on a cluster.
    """

    __module__ = "hstore"

    MAX_CONCURRENT_JOBS_ALLOWED = 128

    def __init__(
        self,
        parallelism: int | None = None,
        timeout: float | None = None,
        loss_threshold: float | None = None,
        spark_session: Any = None,
        resource_profile: Any = None,
        *,
        store: str | Store | None = None,
        exp_key: str | None = None,
    ) -> None:
        self._spark = spark_session if spark_session is not None else _session()
        self._context = self._spark.sparkContext
        self.parallelism = self._decide_parallelism(parallelism, self._context.defaultParallelism)
        self.timeout = timeout
        self.loss_threshold = loss_threshold
        self.resource_profile = resource_profile
        self._is_interrupted = self._is_cancelling = False
        self._failure = ""
        name = exp_key or f"spark-{now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
        super().__init__(store or "", exp_key=name)
        server = self.experiment.store.server
        if server is not None and not self._context.master.startswith("local"):
            self.experiment.store.close()
            raise StoreUnreachable(
                f"the embedded MongoDB cannot be reached by the executors of {self._context.master}",
                hint="name one that they reach: SparkTrials(store='mongodb://host/db'), or HSTORE_URL",
            )

    @staticmethod
    def _decide_parallelism(requested_parallelism: int | None, spark_default_parallelism: int) -> int:
        """Return how many workers there are to be."""
        if requested_parallelism is None or requested_parallelism <= 0:
            requested_parallelism = max(spark_default_parallelism, 1)
        return min(requested_parallelism, SparkTrials.MAX_CONCURRENT_JOBS_ALLOWED)

    @property
    def fmin_cancelled_reason(self) -> str | None:
        """Why the last fmin ended early; None if it did not."""
        if self._is_interrupted:
            return FMIN_CANCELLED_REASON_USER
        state = self.experiment.state
        if state.status != "finished" or state.why in _NO_REASONS:
            return None
        return _REASONS.get(state.why or "", FMIN_CANCELLED_REASON_USER)  # `hstore stop`, say

    def count_successful_trials(self) -> int:
        """Return how many trials are done."""
        return self.count_by_state_unsynced(JOB_STATE_DONE)

    def count_failed_trials(self) -> int:
        """Return how many failed."""
        return self.count_by_state_unsynced(JOB_STATE_ERROR)

    def count_cancelled_trials(self) -> int:
        """Return how many were cancelled, since the search ended before them."""
        return self.count_by_state_unsynced(JOB_STATE_CANCEL)

    def count_total_trials(self) -> int:
        """Return how many there are, in whatever state."""
        self.refresh()
        return len(self.experiment.state.trials)

    def fmin(
        self,
        fn: Callable[..., Any],
        space: Any,
        algo: Any = None,
        max_evals: int | None = None,
        timeout: float | None = None,
        loss_threshold: float | None = None,
        max_queue_len: int | None = None,
        rstate: Any = None,
        verbose: bool = False,
        pass_expr_memo_ctrl: bool | None = None,
        catch_eval_exceptions: bool = False,
        return_argmin: bool = True,
        show_progressbar: Any = True,
        early_stop_fn: Callable[..., Any] | None = None,
        trials_save_file: Any = "",
        **more: Any,
    ) -> Any:
        """Search: `hstore.fmin` on these trials, with workers on Spark for as long as it takes.

        Trials that fail are recorded and never end it, whatever *catch_eval_exceptions* is. *max_queue_len* is left to
        the number of workers. *more*: arguments of `hstore.fmin` that hyperopt has not. Raises `InvalidValue` for a
        *trials_save_file*: the store keeps them, under `exp_key`.
        """
        from hstore.engine.fmin import fmin

        if trials_save_file:
            raise InvalidValue(
                "SparkTrials are kept in their store, not in a trials_save_file",
                hint=f"SparkTrials(…, exp_key={self.exp_key!r}) has them again",
            )
        self._is_interrupted, self._is_cancelling, self._failure = False, False, ""
        with self._workers():
            try:
                return fmin(
                    fn, space, algo, max_evals,
                    timeout=self.timeout if timeout is None else timeout,
                    loss_threshold=self.loss_threshold if loss_threshold is None else loss_threshold,
                    trials=self, allow_trials_fmin=False, workers=0, rstate=rstate, verbose=verbose,
                    pass_expr_memo_ctrl=pass_expr_memo_ctrl, return_argmin=return_argmin,
                    show_progressbar=show_progressbar, early_stop_fn=early_stop_fn, **more,
                )  # fmt: skip
            except KeyboardInterrupt:
                self._is_interrupted = True
                raise
            except HstoreError as error:
                if not self._failure:
                    raise
                raise HstoreError(
                    f"the workers on Spark ended: {self._failure}",
                    hint="executors need hstore, what the objective imports, and this Python: see PYSPARK_PYTHON",
                ) from error

    @contextmanager
    def _workers(self) -> Iterator[None]:
        """Have workers run as tasks of a Spark job until the search ends."""
        self.experiment.refresh()
        group = f"hstore {self.experiment.name} {uuid.uuid4().hex[:6]}"
        job = threading.Thread(target=self._run_job, args=(group, self.experiment.state.ver), name="spark", daemon=True)
        job.start()
        try:
            yield
            job.join(STOP_SECONDS if self.experiment.state.status == "finished" else 0)
        finally:
            if job.is_alive():
                self._is_cancelling = True
                self._context.cancelJobsWithTag(group)
                job.join(STOP_SECONDS)

    def _run_job(self, group: str, ver: int) -> None:
        store, name = self.experiment.store, self.experiment.name
        home = None if store.server is None else str(store.server.home)
        uri = "" if store.server is not None else store.uri

        def work(_: Iterable[int]) -> Iterable[int]:
            return [serve_until_finished(uri, home, name, ver)]

        self._context.addJobTag(group)
        self._context.setJobDescription(f"hstore: workers of {name}")
        tasks = self._context.parallelize(range(self.parallelism), self.parallelism)
        if self.resource_profile is not None:
            tasks = tasks.withResources(self.resource_profile)
        try:
            tasks.mapPartitions(work).collect()
        except Exception as error:  # noqa: BLE001 - whatever Py4J makes of what happened elsewhere
            if not self._is_cancelling:
                self._failure = _last_line(error)
                self._end_search(store.for_thread())

    def _end_search(self, store: Store) -> None:
        """Make fmin return: no worker is left to evaluate trials."""
        experiment = Experiment(store, self.experiment.name)
        while not _has_begun(experiment):
            if self._is_cancelling:
                return
            time.sleep(LOOK_SECONDS)
        stop(experiment, "no workers on Spark", now=True)


def serve_until_finished(uri: str, home: str | None, name: str, ver: int) -> int:
    """Work on experiment *name* of the store at *uri* until it finishes after event *ver* of its own chain.

    home: where the embedded server is that is the store, if it is one. Returns the exit code of the worker.
    """
    from hstore.store.open_store import open_store
    from hstore.workers.worker import Worker
    from hstore.workers.worker_options import WorkerOptions

    if home is not None:
        os.environ["HSTORE_HOME"] = home
        os.environ.pop("HSTORE_URL", None)
    with shown_on_stderr(), open_store(uri or None) as store:
        experiment = Experiment(store.for_thread(), name, only=())
        while not _has_begun(experiment):
            time.sleep(LOOK_SECONDS)
        if _is_over(experiment, ver):
            return 0
        worker = Worker(store, WorkerOptions(experiments=(name,), quiet=True))

        def watch() -> None:
            while not _is_over(experiment, ver):
                time.sleep(LOOK_SECONDS)
            worker.stop(signal.SIGUSR1)

        threading.Thread(target=watch, name="watch", daemon=True).start()
        return worker.run()


def _has_begun(experiment: Experiment) -> bool:
    experiment.refresh()
    return experiment.state.created is not None


def _is_over(experiment: Experiment, ver: int) -> bool:
    experiment.refresh()
    return experiment.state.status == "finished" and experiment.state.ver > ver


def _session() -> Any:
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise HstoreError(
            "SparkTrials needs pyspark, which is not installed", hint="pip install 'hstore[spark]'"
        ) from error
    return SparkSession.builder.getOrCreate()


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.strip().startswith("at ")]
    errors = [line for line in lines if "Error" in line or "Exception" in line]
    return (errors or lines or [type(error).__name__])[-1][:300]
