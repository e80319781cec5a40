"""MongoWorker: hyperopt's worker as an object, for programs that run one job at a time in a process of their own."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hstore.store.errors import ReserveTimeout
from hstore.store.experiment import Experiment
from hstore.store.messages import shown_on_stderr
from hstore.workers.inline import Inline
from hstore.workers.worker import Worker
from hstore.workers.worker_options import WorkerOptions

if TYPE_CHECKING:
    from hstore.engine.hyperopt.mongo_jobs import MongoJobs

FOREVER = 1e9


class MongoWorker:
    """Evaluates jobs of *mj*, of experiment *exp_key* or of all, in this process, one per `run_one`.

    poll_interval: seconds between two looks for a job at most. workdir: the directory that objectives run in, made if
    missing; by default the current one. logfilename: the file in it that `Ctrl.info` and the like write to.
    """

    __module__ = "hstore.mongoexp"

    poll_interval = 3.0
    workdir: str | None = None

    def __init__(
        self,
        mj: MongoJobs,
        poll_interval: float = poll_interval,
        workdir: str | None = workdir,
        exp_key: str | None = None,
        logfilename: str | None = "logfile.txt",
    ) -> None:
        self.mj = mj
        self.poll_interval = poll_interval
        self.workdir = workdir
        self.exp_key = exp_key
        self.logfilename = logfilename
        self.log_handler: logging.Handler | None = None
        self.make_log_handler()

    def make_log_handler(self) -> None:
        """Set `log_handler` to one that appends to the log file, which is made with the first message."""
        if self.logfilename:
            file = Path(self.workdir or ".").resolve() / self.logfilename
            self.log_handler = logging.FileHandler(file, delay=True)
            self.log_handler.setFormatter(logging.Formatter("%(levelname)s (%(name)s) %(message)s"))

    def run_one(
        self, host_id: Any = None, reserve_timeout: float | None = None, erase_created_workdir: bool = False
    ) -> None:
        """Evaluate one job, under the name *host_id*; an exception of its objective is recorded, then raised.

        Raises `ReserveTimeout` if none came within *reserve_timeout* seconds (None: it is waited for). Experiments
        whose objective cannot be loaded here are left to other workers.
        """
        deadline = time.monotonic() + (reserve_timeout or FOREVER)
        self._wait_for_experiment(reserve_timeout, deadline)
        name = str(host_id[0] if isinstance(host_id, (list, tuple)) and host_id else host_id) if host_id else None
        with self._in_workdir(erase_created_workdir) as workdir, self._logged(), shown_on_stderr():
            options = WorkerOptions(
                experiments=() if self.exp_key is None else (self.exp_key,), max_jobs=1, isolate="none", quiet=True,
                max_idle=None if not reserve_timeout else max(0.0, deadline - time.monotonic()),
                poll_interval=self.poll_interval, workdir=workdir, name=name,
            )  # fmt: skip
            worker = Worker(self.mj.store, options)
            worker.run()
        evaluator = worker.slots[0].evaluator
        assert isinstance(evaluator, Inline)
        if not evaluator.jobs:
            raise self._timed_out(reserve_timeout)
        if evaluator.error is not None:
            raise evaluator.error

    def _wait_for_experiment(self, reserve_timeout: float | None, deadline: float) -> None:
        """Wait until the experiment *exp_key* exists: its driver may be started after its workers."""
        if self.exp_key is None:
            return
        experiment = Experiment(self.mj.store, self.exp_key, only=())
        experiment.refresh()
        while not experiment.state.events:
            if (left := deadline - time.monotonic()) <= 0:
                raise self._timed_out(reserve_timeout)
            experiment.poll(min(left, self.poll_interval))

    def _timed_out(self, seconds: float | None) -> ReserveTimeout:
        whose = "" if self.exp_key is None else f" of {self.exp_key!r}"
        return ReserveTimeout(f"no job{whose} could be reserved within {seconds or 0:g} s")

    @contextmanager
    def _in_workdir(self, erase: bool) -> Iterator[Path]:
        workdir = Path(self.workdir or ".").resolve()
        is_new = not workdir.exists()
        workdir.mkdir(parents=True, exist_ok=True)
        before = Path.cwd()
        try:
            yield workdir
        finally:
            os.chdir(before)
            if erase and is_new:
                shutil.rmtree(workdir, ignore_errors=True)

    @contextmanager
    def _logged(self) -> Iterator[None]:
        logger = logging.getLogger("hstore.objective")
        if self.log_handler is None:
            yield
            return
        logger.addHandler(self.log_handler)
        try:
            yield
        finally:
            logger.removeHandler(self.log_handler)
            self.log_handler.close()
