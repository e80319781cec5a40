"""The evaluator: the program of a worker's child process. It loads objectives, calls them and passes on their requests.

`python -m hstore.workers.evaluator FD PID WORKDIR`: FD is one end of a socket pair, over which go the messages that
`hstore.workers.child` describes; PID is the worker. The evaluator has no connection to the store: the worker alone
writes.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from functools import cached_property, partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.ctrl import BaseCtrl
from hstore.engine.evaluation.domain import BoundObjective, version
from hstore.engine.evaluation.objective_spec import ObjectiveSpec, load, short
from hstore.engine.evaluation.script import Script
from hstore.store.errors import CannotLoad, HstoreError, InvalidValue
from hstore.store.values import fits_int64, normalise

if TYPE_CHECKING:
    from hstore.engine.hyperopt.mongo_trials import MongoTrials
    from hstore.store.experiment import Experiment

PR_SET_PDEATHSIG = 1
ASK_SECONDS = 0.02
"""How old the answer may be that an objective need not stop; the worker itself looks but twice a second."""


class RemoteCtrl(BaseCtrl):
    """`Ctrl` of an objective whose trial is held by the worker at the other end of *ask*; it has all that `Ctrl` has.

    Reports and attachments go through the worker. `trials`, `experiment` and `current_trial` are read from the store,
    over a connection that is made when one of them is first asked for.
    """

    has_all_of_ctrl = True

    def __init__(
        self, ask: Callable[..., Any], job: Mapping[str, Any], *, say: Callable[[int, float], object] | None = None
    ) -> None:
        """say: takes what is reported where no pruner is to be asked, and does not wait for it to be in the log."""
        self._ask = ask
        self._say = say
        self._job = job
        self.tid = job["tid"]
        self._asked = -ASK_SECONDS

    @cached_property
    def trials(self) -> MongoTrials:
        """All trials of the experiment. Raises `CannotLoad` if this process cannot open the store."""
        from hstore.engine.hyperopt.mongo_trials import MongoTrials

        try:
            trials = MongoTrials(self._job["uri"], exp_key=self._job["exp"])
            trials.experiment.check_signatures()
            return trials
        except HstoreError as error:
            raise CannotLoad(
                f"ctrl.trials, ctrl.experiment and ctrl.current_trial are read from the store: {error}",
                hint="use ctrl.report, ctrl.checkpoint and ctrl.attachments, which go through the worker",
            ) from error

    @property
    def experiment(self) -> Experiment:
        """See `BaseCtrl.experiment`; to be read only. Raises `NotSigned` as `Experiment.check_signatures` does."""
        self.trials.experiment.check_signatures()
        return self.trials.experiment

    @property
    def current_trial(self) -> dict[str, Any]:
        """The document of the trial."""
        return self.trials.documents.document_of(self._job["tid"])

    @property
    def attachments(self) -> MutableMapping[str, bytes]:
        """See `BaseCtrl.attachments`."""
        return _RemoteAttachments(self._ask)

    def append_report(self, **data: Any) -> None:
        """See `BaseCtrl.append_report`."""
        self._ask("tell", data)

    def judge(self, step: int, value: float) -> bool:
        """See `BaseCtrl.judge`: the worker decides, which reads what others have reported."""
        if self._say is not None and fits_int64(step):  # else it is refused, which only this call is to hear
            self._say(step, value)
            return False
        is_hopeless: bool = self._ask("report", step, value)
        return is_hopeless

    def _is_unwanted(self) -> bool:
        if time.monotonic() - self._asked < ASK_SECONDS:  # a loop may ask as fast as it can
            return False
        if self._ask("should_stop"):
            return True
        self._asked = time.monotonic()
        return False

    def inject_results(
        self, specs: Any, results: Sequence[Mapping[str, Any]], miscs: Sequence[Mapping[str, Any]],
        new_tids: Any = None,
    ) -> list[int]:  # fmt: skip
        """See `Ctrl.inject_results`."""
        found = [
            (normalise(dict(misc["vals"]), path="vals"), normalise(dict(result), path="result"))
            for misc, result in zip(miscs, results, strict=True)
        ]
        tids: list[int] = self._ask("inject", found)
        return tids


class _RemoteAttachments(MutableMapping[str, bytes]):
    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def __getitem__(self, name: str) -> bytes:
        content: bytes = self._ask("attachment", name)
        return content

    def __setitem__(self, name: str, content: bytes | str) -> None:
        if isinstance(content, (bytearray, memoryview)):
            content = bytes(content)
        if not isinstance(name, str) or not isinstance(content, (bytes, str)):
            raise InvalidValue(f"attachment {name!r:.80} must be bytes or text, not {type(content).__name__}")
        self._ask("attach", name, content)

    def __delitem__(self, name: str) -> None:
        self._ask("detach", name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ask("attachments"))

    def __len__(self) -> int:
        return len(self._ask("attachments"))


class Evaluator:
    """Serves one worker until it hangs up."""

    def __init__(self, line: Connection, workdir: str) -> None:
        self.line = line
        self.workdir = workdir
        self.pid = os.getpid()
        self.domains: dict[str, tuple[BoundObjective, Script]] = {}
        self._asking = threading.Lock()
        self._job: Mapping[str, Any] | None = None
        """The one under way."""
        self._outputs = [(number, os.dup(number)) for number in (1, 2)]
        os.register_at_fork(after_in_child=line.close)  # else the worker would not see our end while the fork lives

    def run(self) -> None:
        """Answer one message after the other."""
        while True:
            try:
                kind, *content = self.line.recv()
            except (EOFError, OSError):
                return
            if kind == "load":
                self.line.send(self._load(*content))
            elif kind == "evaluate":  # else it is what the last objective has not lived to hear
                answer = self._evaluate(*content)
                if os.getpid() != self.pid:  # the objective forked, and its child came back from it too
                    os._exit(0)
                with contextlib.suppress(OSError):
                    self.line.send(answer)

    def _load(self, key: str, spec: ObjectiveSpec) -> tuple[str, Any]:
        try:
            os.chdir(self.workdir)
            self.domains[key] = load(spec)
        except CannotLoad as error:
            return "unloadable", (str(error), error.hint)
        except BaseException as error:  # noqa: BLE001 - say it in one line, whatever it is
            return "unloadable", (short(error), "")
        return "loaded", version(self.domains[key][0].fn)

    def _evaluate(self, key: str, job: Mapping[str, Any]) -> tuple[str, Any, list[str]]:
        said: list[str] = []
        began = time.monotonic()
        self._restore_output()
        self._job = job
        try:
            os.chdir(self.workdir)  # the last objective may have gone elsewhere
            domain, script = self.domains[key]
            with script.as_main():
                say = None if job.get("has_pruner", True) else partial(self._say, job)
                result = domain.evaluate(job["point"], RemoteCtrl(partial(self._ask, job), job, say=say))
            seconds = time.monotonic() - began
            plain = attempt.plain_result(result, said.append)
            answer: tuple[str, Any] = ("done", attempt.done(plain, seconds, objectives=domain.objectives))
        except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt end this trial, not the worker
            answer = ("failed", attempt.failure(error, duration=time.monotonic() - began))
        if os.getpid() == self.pid:
            with self._asking:
                self._job = None
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        return *answer, said

    def _restore_output(self) -> None:
        """Have what is printed go to the worker, whatever the last objective did to its stdout and stderr."""
        for number, kept in self._outputs:
            os.dup2(kept, number)
        for name, number in (("stdout", 1), ("stderr", 2)):
            stream = getattr(sys, name)
            if stream is None or stream.closed:
                raw = io.FileIO(number, "w", closefd=False)
                setattr(sys, name, io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "replace", line_buffering=True))

    def _ask(self, job: Mapping[str, Any], name: str, *arguments: Any) -> Any:
        """Return the worker's answer to a call; raises the exception that it answered with.

        Raises also what the worker could not write of what was said before.
        """
        with self._speaking(job):
            self.line.send(("call", name, arguments))
            refused: Exception | None = None
            while (message := self.line.recv())[0] == "refused":
                refused = message[1]
        is_error, answer = message
        if is_error:
            raise answer
        if refused is not None:
            raise refused
        return answer

    def _say(self, job: Mapping[str, Any], step: int, value: float) -> None:
        """Tell the worker what was reported, and go on; raises what it could not write of what was said before."""
        with self._speaking(job):
            if self.line.poll():  # nothing else comes unasked
                raise self.line.recv()[1]
            self.line.send(("say", step, value))

    @contextlib.contextmanager
    def _speaking(self, job: Mapping[str, Any]) -> Iterator[None]:
        """Speak for the trial of *job*: one thread at a time, as long as its objective has not returned."""
        if os.getpid() != self.pid:
            raise RuntimeError("a forked process cannot speak for the trial")
        with self._asking:  # an objective may have threads, and they may outlive it
            if job is not self._job:
                raise RuntimeError(f"the objective has returned: nothing more can be said of trial {job['tid']}")
            yield


def show_logging() -> None:
    """Print what objectives log by `Ctrl.info` and the like on stderr, unless they set up logging themselves."""
    logger = logging.getLogger("hstore.objective")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        handler.addFilter(lambda _: not logging.getLogger().handlers)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)


def _die_with_parent() -> None:
    """Have the kernel end this process with its worker, however that ends."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Serve the worker at the other end of the file descriptor that the first argument names."""
    file, parent, workdir = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    _die_with_parent()
    if os.getppid() != parent:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what is printed counts most when the process dies
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    show_logging()
    os.set_inheritable(file, False)
    sys.argv = [workdir]
    sys.path.insert(0, workdir)
    Evaluator(Connection(file), workdir).run()


if __name__ == "__main__":
    main()
