"""LocalWorkers: worker processes on this machine, started for one call of fmin and stopped at its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

from hstore.store.errors import HstoreError, StoreRewound
from hstore.store.experiment import Experiment
from hstore.store.messages import Log
from hstore.store.rewind import HINT

LOG = Log("workers")

SHORT_LIFE = 5.0
"""Seconds; a worker that ends sooner is not just unlucky."""
SHORT_LIVES = 3
STOP_SECONDS = 5.0


class LocalWorkers:
    """*size* processes `hstore worker`, replaced when they die."""

    def __init__(self, experiment: Experiment, size: int, *, grace: float, trust: bool = False) -> None:
        self.experiment = experiment
        self.size = size
        self.grace = grace
        self.trust = trust
        self._processes: list[tuple[subprocess.Popen[bytes], float]] = []
        self._short_lives = 0

    @property
    def names(self) -> set[str]:
        """What the workers call themselves."""
        return {f"{socket.gethostname()}:{process.pid}" for process, _ in self._processes}

    def ensure_running(self) -> None:
        """Start those that are missing; raises `HstoreError` if they keep ending at once.

        Raises `StoreRewound` if one of them ended since the store lost events.
        """
        alive = []
        for process, since in self._processes:
            if (code := process.poll()) is None:
                alive.append((process, since))
                continue
            if code == StoreRewound.exit_code:
                self.experiment.refresh()  # says itself what was lost, if this process had read it, or puts it back
                if not self.experiment.store.recovers:
                    raise StoreRewound(
                        f"worker {process.pid} found that the store lost events of {self.experiment.name!r}", hint=HINT
                    )
            self._short_lives = self._short_lives + 1 if time.monotonic() - since < SHORT_LIFE else 0
            if self._short_lives >= SHORT_LIVES:
                raise HstoreError(
                    f"worker processes end as soon as they are started, the last one with code {code}",
                    hint=f"see what `hstore worker {self.experiment.name}` says",
                )
            LOG.warning(
                f"worker {process.pid} ended with code {code}: starting another one", experiment=self.experiment.name
            )
        while len(alive) < self.size:
            alive.append((self._start(), time.monotonic()))
        self._processes = alive

    def _start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "HSTORE_URL": "" if self.experiment.store.server else self.experiment.store.uri,
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        }
        if self.experiment.store.server is not None:
            environment["HSTORE_HOME"] = str(self.experiment.store.server.home)
        command = [sys.executable, "-m", "hstore", "worker", self.experiment.name, "--grace", f"{self.grace:g}"]
        if self.experiment.store.recovers:
            command.append("--recover")
        if self.trust:
            command.append("--force")
        # In a session of its own: what the terminal sends is for the search, which then stops its workers.
        return subprocess.Popen(
            [*command, "--parent", str(os.getpid()), "--quiet"],
            env=environment, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def stop(self, *, grace: float | None = None) -> None:
        """End all; what they hold may end within *grace* seconds, and is put back otherwise."""
        processes = [process for process, _ in self._processes]
        self._processes = []
        # Told twice, they release at once; two signals of one kind might be taken for one.
        for number in [signal.SIGTERM] if grace is None or grace > 0 else [signal.SIGINT, signal.SIGTERM]:
            for process in processes:
                process.send_signal(number)
        deadline = time.monotonic() + (self.grace if grace is None else grace) + STOP_SECONDS
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
