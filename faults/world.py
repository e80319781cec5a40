"""The world of a search: its servers, its network, its workers and drivers, and all that can happen to them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

import psutil
from replica_set import ReplicaSet, die_with_parent

from faults import ROOT, broken, released
from faults.losses import Losses
from faults.process import Subject
from faults.proxy import Proxy
from faults.replica_faults import ReplicaFaults
from faults.slow_disk import SlowDisk
from hstore.store.open_store import open_store
from hstore.store.server import EmbeddedServer, ensure_server
from hstore.store.supervisor import SHORT_LIFE

WORKERS = 8
LEASE = 2.0
HOURS = 12 * 3600.0


class World:
    """Servers of one kind, with 8 workers that stay through many rounds; `with` ends them all, whatever happens.

    place: "embedded"; "proxied": workers reach the embedded server through a network; "replicated": three mongods;
    "slow": the embedded server, whose disk can stop finishing what it writes; "mixed": half of the workers are
    of a released version, and opened the store before it was migrated.
    """

    def __init__(self, place: str, rng: Random, *, broken_way: str | None = None) -> None:
        self.place = place
        self.rng = rng
        self.broken_way = broken_way
        self.folder = Path(tempfile.mkdtemp(prefix="hstore-faults-"))
        self.acks = self.folder / "acks"
        self.acks.mkdir()
        self.workers = [Subject("worker", number) for number in range(WORKERS)]
        self.drivers: list[Subject] = []
        self.proxies: list[Proxy] = []
        self.server: EmbeddedServer | None = None
        self.replicas: ReplicaSet | None = None
        self.replica_faults = ReplicaFaults(self)
        self.heal_at: dict[int, float] = {}
        """When to heal which proxy."""
        self.is_shifting = False
        """Whether the clocks of workers that are started are off."""
        self.large = 0.0
        """How many of a hundred trials return more than fits into an event."""
        self.is_aiming = False
        """Whether workers and drivers that are started are to be hit at an append."""
        self.aimed = 0
        """How many were."""
        self.keeps = False
        """Whether the folder, with what all processes said, is to stay for a look into a failure."""
        self.failures: list[str] = []
        """What processes said that ended by themselves and should not have."""
        self.exp = ""
        """The search that runs, or ran last."""
        self.trials = 0
        self.losses = Losses(self)
        self.disk: SlowDisk | None = None
        self._released_source: Path | None = None
        self._driver_arguments: list[str] = []

    def __enter__(self) -> World:
        try:
            if self.place == "replicated":
                (self.folder / "members").mkdir()
                self.replicas = ReplicaSet(self.folder / "members")
                self.replicas.start()
                self.url = self.replicas.url("faults") + "&socketTimeoutMS=3000&heartbeatFrequencyMS=1000"
            else:
                if self.place == "slow":
                    self.disk = SlowDisk(self.folder)
                    self.disk.enter()
                self.server = ensure_server(self.folder / "home")
                self.url = self.server.uri
                if (
                    self.place == "mixed"
                ):  # the server's own database has a key, which a released version knows nothing of
                    self.url = self.url.replace("/hstore?", "/faults?")
                    self._released_source = released.unpack(self.folder)
                    released.make_store(self._released_source, self.url)
                    for worker in self.workers[::2]:
                        worker.is_released = True
                if self.place == "proxied":
                    self.proxies = [Proxy(self.server.socket_path).start() for _ in self.workers]
            self.store = open_store(self.url, patience=60.0)
            if self.disk is not None:
                self.disk.database = self.store.database
            if self.broken_way is not None and self.store.database is not None:
                broken.WAYS[self.broken_way].spoil(self.store.database)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything."""
        for subject in (*self.drivers, *self.workers):
            subject.kill()
        if store := self.__dict__.get("store"):
            store.close()
        for proxy in self.proxies:
            proxy.close()
        if self.replicas is not None:
            self.replicas.close()
        if self.server is not None:
            self.server.release()
        if self.disk is not None:
            self.disk.leave()
        if not self.keeps:
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- processes --------------------------------------------------------------------------------------------

    def begin(self, exp: str, *, trials: int, seed: int, drivers: int, algorithm: str) -> None:
        """Start a search."""
        self.exp, self.trials = exp, trials
        self.losses.begin()
        self._driver_arguments = [exp, str(trials), str(seed), algorithm]
        self.drivers = [Subject("driver", number) for number in range(drivers)]
        for driver in self.drivers:
            self.start(driver)

    def renew_workers(self) -> None:
        """Have all workers leave for new ones: those there are may have other clocks, or be about to be hit."""
        old = [worker.process for worker in self.workers]
        for worker in self.workers:
            worker.end()
        for process in old:
            if process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(3.0)
                process.kill()
                process.wait()
        for worker in self.workers:
            worker.start_at = 0.0
            self.start(worker)

    def start(self, subject: Subject) -> None:
        """Start the process of *subject*."""
        rng, aim = self.rng, None
        is_worker = subject.role == "worker"
        clock = rng.uniform(-HOURS, HOURS) if is_worker and self.is_shifting else 0.0
        if self.is_aiming:
            types = ["reserved", "running", "done"] if is_worker else ["queued"]
            aim = {
                "type": rng.choice(types), "side": rng.choice(["before", "after"]), "n": rng.randint(1, 12),
                "signal": int(rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP])),
            }  # fmt: skip
        faults = {
            "acks": str(self.acks),
            "name": str(subject),
            "clock": clock,
            "aim": aim,
            "broken": self._broken(subject),
        }
        source = ROOT / "src"
        if subject.is_released and self._released_source is not None:
            faults["released"], source = True, self._released_source / "src"
        if is_worker:
            arguments = ["worker", "--lease", str(LEASE), "--grace", "1", "--poll-interval", "1"]
        else:
            arguments = ["driver", *self._driver_arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HSTORE")}
        environment |= {
            "PYTHONPATH": f"{ROOT}{os.pathsep}{source}",
            "FAULTS": json.dumps(faults),
            "HSTORE_HOME": str(self.folder / "home"),
        }
        if self.broken_way is not None:
            environment["FAULTS_SLOW"] = str(broken.WAYS[self.broken_way].slow)
        environment["FAULTS_LARGE"] = str(self.large)
        if self.disk is not None:
            environment |= self.disk.environment
        if self.place in ("replicated", "mixed"):
            environment["HSTORE_URL"] = self.url
        elif self.place == "proxied" and is_worker:
            port = self.proxies[subject.number].port
            environment["HSTORE_URL"] = f"mongodb://127.0.0.1:{port}/hstore?directConnection=true&socketTimeoutMS=3000"
            environment["HSTORE_KEY"] = str(self.folder / "home" / "key")  # as on another machine
        with open(self.folder / f"{subject}.log", "ab") as log:
            subject.process = subprocess.Popen(
                [sys.executable, "-m", "faults.subject", *arguments],
                env=environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=die_with_parent,
            )  # fmt: skip
        subject.is_expected, subject.is_aimed = False, aim is not None
        subject.thaw_at = None

    def ensure_running(self, *, may_fail: bool = False) -> None:
        """Do what is due: start again what died, thaw what was frozen, heal and mend. Called every few milliseconds."""
        now = time.monotonic()
        for subject in (*self.workers, *self.drivers):
            if subject.thaw_at is not None and now >= subject.thaw_at:
                subject.thaw()
            if subject.is_stopped():
                self.aimed += 1
                subject.thaw_at = now + LEASE * self.rng.uniform(1.2, 5.0)
            if subject.is_alive or subject.process is None:
                if subject.process is None and subject.role == "worker":
                    self.start(subject)
                continue
            if not subject.start_at:
                if not self._may_start_again(subject, may_fail):
                    continue
                subject.start_at = now + self.rng.uniform(0.0, 0.5)
            if now >= subject.start_at:
                subject.start_at = 0.0
                self.start(subject)
        for number, at in list(self.heal_at.items()):
            if now >= at:
                self.proxies[number].heal()
                del self.heal_at[number]
        self.replica_faults.mend_in_time()
        if self.disk is not None:
            self.disk.heal_in_time()

    def _broken(self, subject: Subject) -> str | None:
        """Return what is broken in *subject*: some ways are for workers of a released version, most for all others."""
        way = broken.WAYS.get(self.broken_way or "")
        return None if way is None or way.is_in_released is not subject.is_released else self.broken_way

    def _may_start_again(self, subject: Subject, may_fail: bool) -> bool:
        """Take in that *subject* ended; return whether another process is to take its place."""
        assert subject.process is not None
        code = subject.process.returncode
        if subject.role == "driver" and code == 0:
            return False
        if code == -signal.SIGKILL and not subject.is_expected and subject.is_aimed:
            self.aimed += 1
        elif not subject.is_expected and code not in self.losses.codes:
            words = (self.folder / f"{subject}.log").read_text(errors="replace").strip().splitlines()
            self.failures.append(f"{subject} ended by itself with code {code}: {words[-1] if words else ''}")
            if may_fail and len(self.failures) > 10:  # a control: it is found out, and would go on for ever
                subject.process = None
                return False
        return True

    @property
    def is_searching(self) -> bool:
        """Whether a driver runs, or is about to."""
        return any(driver.is_alive or driver.start_at for driver in self.drivers) or any(
            driver.process is not None and driver.process.returncode != 0 for driver in self.drivers
        )

    def calm(self) -> None:
        """Let everything that was done to the world be over."""
        self.is_aiming = self.is_shifting = False
        now = time.monotonic()
        for subject in (*self.workers, *self.drivers):
            if subject.is_frozen or subject.is_stopped():
                subject.thaw()
            if subject.start_at:
                subject.start_at = now
        for proxy in self.proxies:
            proxy.heal()
        self.heal_at.clear()
        self.replica_faults.mend()
        if self.disk is not None:
            self.disk.heal()

    # -- what can happen; each returns whether it did ---------------------------------------------------------

    def _one_of(self, subjects: list[Subject]) -> Subject | None:
        there = [subject for subject in subjects if subject.is_alive and not subject.is_frozen]
        return self.rng.choice(there) if there else None

    def kill_worker(self) -> bool:
        if (worker := self._one_of(self.workers)) is not None:
            worker.kill()
        return worker is not None

    def kill_child(self) -> bool:
        worker = self._one_of(self.workers)
        if worker is None or worker.process is None:
            return False
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(worker.process.pid).children():
                child.kill()
                return True
        return False

    def freeze_worker(self) -> bool:
        if sum(worker.is_frozen for worker in self.workers) >= len(self.workers) // 2:
            return False  # a process has to be there that takes back what they hold
        if (worker := self._one_of(self.workers)) is not None:
            worker.freeze(LEASE * self.rng.uniform(1.2, 5.0))
        return worker is not None

    def kill_driver(self) -> bool:
        if (driver := self._one_of(self.drivers)) is not None:
            driver.kill()
        return driver is not None

    def hit_driver(self) -> bool:
        """Kill or freeze one of several drivers."""
        if self.rng.random() < 0.6:
            return self.kill_driver()
        if (driver := self._one_of(self.drivers)) is not None:
            driver.freeze(self.rng.uniform(0.1, 1.5))
        return driver is not None

    def freeze_driver(self) -> bool:
        """Freeze a driver for longer than a trial is left to it."""
        if sum(driver.is_frozen for driver in self.drivers) >= len(self.drivers) // 2:
            return False
        if (driver := self._one_of(self.drivers)) is not None:
            driver.freeze(LEASE * self.rng.uniform(1.2, 3.0))
        return driver is not None

    def kill_mongod(self) -> bool:
        pid = self.server.pid if self.server is not None else None
        if pid is None:
            return False
        if any(not self.losses.has_read(driver) for driver in self.drivers):
            # A process that opens a store gives up when mongod dies twice as soon as it is started.
            with contextlib.suppress(psutil.Error):
                if time.time() - psutil.Process(pid).create_time() < SHORT_LIFE + 1.0:
                    return False
        os.kill(pid, signal.SIGKILL)
        return True

    def stall_disk(self) -> bool:
        """Have the disk finish nothing for a while; mongod is killed now and then before it does."""
        if self.disk is None or not self.disk.stall(self.rng.uniform(0.1, 1.5)):
            return False
        if self.rng.random() < 0.4:
            time.sleep(0.2)
            return self.kill_mongod()
        return True

    def shift_clock(self) -> bool:
        """Have a worker leave, for one with another clock."""
        worker = self._one_of([worker for worker in self.workers if not worker.is_expected])
        if worker is not None:
            worker.end()
        return worker is not None

    def cut_network(self) -> bool:
        whole = [number for number in range(len(self.proxies)) if number not in self.heal_at]
        if len(whole) <= len(self.proxies) // 2:
            return False
        number = self.rng.choice(whole)
        proxy = self.proxies[number]
        how = self.rng.choice(["cut", "stall", "answers"])
        if how == "cut":
            proxy.cut()
        elif how == "stall":
            proxy.stall()
        else:
            proxy.stall("answers")
        self.heal_at[number] = time.monotonic() + self.rng.choice([0.2, LEASE * self.rng.uniform(1.2, 5.0)])
        return True

    def happen(self, name: str) -> bool:
        """Have the fault *name* happen, if it can now."""
        owner = next(each for each in (self, self.losses, self.replica_faults) if hasattr(each, name))
        done: bool = getattr(owner, name)()
        return done


def seen(values: Any) -> str:
    """Return *values* as one line."""
    return " ".join(str(values).split())
