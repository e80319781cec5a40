"""The page: bytes and seconds until a search is on the screen, and the CPU of many viewers; beside optuna-dashboard.

`python -m bench ui`. It needs Chromium and Playwright. optuna-dashboard is measured on the same trials if it is in an
environment of its own: `python -m venv $PREFIX/optuna-dashboard`, where $PREFIX is this environment's folder, and in it
`pip install optuna-dashboard`; or OPTUNA_DASHBOARD names the program.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from bench.table import show, verdict
from hstore import hp
from hstore.engine.search.seeds import as_generator, to_data
from hstore.engine.space import compile_space
from hstore.store.events import Created, Done, Event, Queued, Reserved, Running
from hstore.store.fold import fold_chain
from hstore.store.model_documents import trial_document
from hstore.store.open_store import open_store
from hstore.store.store import Store

TRIALS, MANY = 10_000, 100_000
VIEWERS, SECONDS = 20, 20.0
LABELS = 5
DASHBOARD = Path(
    os.environ.get("OPTUNA_DASHBOARD") or Path(sys.prefix) / "optuna-dashboard" / "bin" / "optuna-dashboard"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE_MS = 300_000
FILL_STUDY = """
import json, sys
import optuna
from optuna.distributions import FloatDistribution
from optuna.storages.journal import JournalFileBackend
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(storage=optuna.storages.JournalStorage(JournalFileBackend(sys.argv[1])), study_name="bench")
rows = json.load(open(sys.argv[2]))
space = {f"p{i}": FloatDistribution(0, 1) for i in range(len(rows[0][0]))}
study.add_trials([
    optuna.trial.create_trial(params={f"p{i}": v for i, v in enumerate(point)}, distributions=space, value=loss)
    for point, loss in rows
])
"""


class Seen(NamedTuple):
    """What opening a page cost."""

    bytes: int
    seconds: float


def rows(n: int) -> list[tuple[list[float], float]]:
    """Return *n* points and their losses."""
    rng = random.Random(0)
    points = [[rng.random() for _ in range(LABELS)] for _ in range(n)]
    return [(point, sum((x - 0.3) ** 2 for x in point) + 0.1 * rng.random()) for point in points]


def fill(store: Store, name: str, n: int) -> None:
    """Write a search of *n* trials, four events each, and its documents."""
    at = dt.datetime.now(dt.UTC).replace(microsecond=0)
    space = compile_space({f"p{i}": hp.uniform(f"p{i}", 0, 1) for i in range(LABELS)}).to_data()
    about: Any = {"space": space, "generator": to_data(as_generator(0)), "limits": {"max_evals": 2 * n}}
    rest: Any = {name: {} for name in ("objective", "retries", "fingerprint")}

    def envelope(tid: int | None, ver: int, prev: bytes | None) -> Any:
        return {"exp": name, "tid": tid, "ver": ver, "id": uuid.uuid4(), "at": at, "by": "bench", "prev": prev}

    header = Created(
        algorithm={"name": "rand", "version": 1, "settings": {}}, **about, **rest, **envelope(None, 0, None)
    )
    store.log.append([header])
    experiment = store.experiment(name)
    batch: list[Event] = []
    documents: list[Any] = []
    assert store.database is not None
    for tid, (values, loss) in enumerate(rows(n)):
        point = {f"p{i}": value for i, value in enumerate(values)}
        chain: list[Event] = [
            Queued(point=point, params=point, observed=[], seed=tid, algorithm={"name": "rand", "version": 1},
                   **envelope(tid, 0, b"x" * 32)),
            Reserved(worker="w", host="h", attempt=1, **envelope(tid, 1, b"x" * 32)),
            Running(pid=1, python="3.11", hstore="0.1", objective="0" * 16, **envelope(tid, 2, b"x" * 32)),
            Done(result={"loss": loss, "status": "ok"}, status="ok", loss=loss, duration=0.1,
                 **envelope(tid, 3, b"x" * 32)),
        ]  # fmt: skip
        batch += chain
        documents.append(trial_document(fold_chain(chain)))
        if len(documents) == 1000 or tid == n - 1:
            store.log.append(batch)
            store.database["trials"].insert_many(documents)
            batch, documents = [], []
    experiment.repair()


@contextlib.contextmanager
def served(uri: str) -> Iterator[tuple[str, str, psutil.Process]]:
    """Serve the page from a process of its own; yield its address, its token and the process."""
    command = [sys.executable, "-m", "hstore", "--store", uri, "ui", "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        address, _, query = process.stdout.readline().strip().partition("/?token=")
        try:
            yield address, query, psutil.Process(process.pid)
        finally:
            process.terminate()


def opened(browser: Any, address: str, is_there: str, wanted: int, *, first: str | None = None) -> Seen:
    """Open *address* in a fresh window, until the expression *is_there* gives *wanted*; *first* is opened before."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE_MS)
    if first is not None:
        context.request.get(first)  # the cookie; nothing is kept of pages
    total = 0

    def count(event: Any) -> None:
        nonlocal total
        total += int(event.get("encodedDataLength") or 0)

    session = context.new_cdp_session(tab)
    session.on("Network.loadingFinished", count)
    session.on("Network.dataReceived", lambda event: None)
    session.send("Network.enable")
    began = time.perf_counter()
    tab.goto(address, wait_until="commit")
    while tab.evaluate(is_there) != wanted:
        tab.wait_for_timeout(20)
        if time.perf_counter() - began > PATIENCE_MS / 1000:
            raise TimeoutError(f"{address} shows {tab.evaluate(is_there)} of {wanted}: {tab.inner_text('body')[:500]}")
    seconds = time.perf_counter() - began
    tab.wait_for_timeout(1000)  # what still comes
    context.close()
    return Seen(total, seconds)


OURS = """(() => {
  const chart = window.Bokeh?.documents?.[0];
  const points = chart?.get_model_by_name('done')?.data.loss.length ?? 0;
  const drawn = document.querySelector('#drawn').textContent.match(/^([0-9,]+) of ([0-9,]+)/)?.slice(1);
  const [shown, all] = (drawn ?? [`${points}`, `${points}`]).map((text) => Number(text.replaceAll(',', '')));
  const isThere = chart?.is_idle && document.querySelector('#history > *')
    && document.querySelector('#trials tbody tr') && /[0-9]/.test(document.querySelector('#fact-best').textContent)
    && points && points === shown;
  return isThere ? all : 0;
})()"""
"""The number of trials that the chart is made of, once it and the table are drawn. Of many it draws those that a screen
can show apart, and says how many of how many these are; all trials of the bench are done.
"""
THEIRS = """(() => Math.max(0, ...[...document.querySelectorAll('.js-plotly-plot')].flatMap(
  (plot) => (plot.data ?? []).map((trace) => trace.x?.length ?? 0))))()"""


def of_optuna(browser: Any, folder: Path) -> Seen | None:
    """Return what opening optuna-dashboard cost; None where it is not installed."""
    if not DASHBOARD.exists():
        return None
    (folder / "rows.json").write_text(json.dumps(rows(TRIALS)))
    journal = folder / "journal.log"
    subprocess.run(
        [str(DASHBOARD.with_name("python")), "-c", FILL_STUDY, str(journal), str(folder / "rows.json")], check=True
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(DASHBOARD), str(journal), "--port", str(port), "--host", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            base = f"http://127.0.0.1:{port}/dashboard"
            until = time.monotonic() + 120
            while True:
                with contextlib.suppress(OSError):
                    http.client.HTTPConnection("127.0.0.1", port, timeout=60).request("GET", "/dashboard")
                    break
                if time.monotonic() > until:
                    raise TimeoutError("optuna-dashboard does not answer")
                time.sleep(0.2)
            opened(browser, f"{base}/studies/0", THEIRS, TRIALS)  # it reads its journal at the first request
            return opened(browser, f"{base}/studies/0", THEIRS, TRIALS)
        finally:
            process.terminate()


def cpu_of_viewers(store: Store, name: str, address: str, token: str, process: psutil.Process) -> tuple[float, int]:
    """Return the share of a core that the server takes while `VIEWERS` follow a live search, and what they heard."""
    experiment = store.experiment(name)
    host = urllib.parse.urlsplit(address).netloc
    is_over = threading.Event()
    heard = [0] * VIEWERS

    def view(n: int) -> None:
        connection = http.client.HTTPConnection(host, timeout=60)
        headers = {"Authorization": f"Bearer {token}"}
        connection.request("GET", f"/api/columns?{urllib.parse.urlencode({'name': name})}", headers=headers)
        tick = json.loads(connection.getresponse().read())["tick"]
        connection.request("GET", f"/api/live?{urllib.parse.urlencode({'name': name, 'tick': tick})}", headers=headers)
        answer = connection.getresponse()
        while not is_over.is_set():
            heard[n] += answer.readline().startswith(b"data:")
        connection.close()

    threads = [threading.Thread(target=view, args=(n,), daemon=True) for n in range(VIEWERS)]
    for thread in threads:
        thread.start()
    time.sleep(3)  # all have their columns
    before, began = sum(process.cpu_times()[:2]), time.perf_counter()
    tid = len(experiment.state.trials)
    while time.perf_counter() - began < SECONDS:
        point = {f"p{i}": random.random() for i in range(LABELS)}
        end: Any = {"result": {"loss": 1.0, "status": "ok"}, "status": "ok", "loss": 1.0, "duration": 0.1}
        experiment.append(experiment.compose(
            (Queued, tid, {"point": point, "params": point, "observed": experiment.observed()}),
            (Reserved, tid, {"worker": "w", "host": "h", "attempt": 1}),
            (Running, tid, {"pid": 1, "python": "3", "hstore": "0"}), (Done, tid, end),
        ))  # fmt: skip
        tid += 1
        time.sleep(1.0)
    share = (sum(process.cpu_times()[:2]) - before) / (time.perf_counter() - began)
    is_over.set()
    return share, min(heard)


def main() -> None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("bench ui: skipped, for it needs playwright")
        return
    if CHROMIUM is None:
        print("bench ui: skipped, for there is no chromium")
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, sync_playwright() as driver:
        os.environ["HSTORE_HOME"] = str(Path(folder) / "store")
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        with open_store(None) as store:
            store.keys = None  # events that are written here are not signed
            for name, n in (("some", TRIALS), ("many", MANY)):
                fill(store, name, n)
            with served(store.uri) as (address, token, process):
                first = f"{address}/?token={token}"
                ours = opened(browser, f"{address}/search?name=some", OURS, TRIALS, first=first)
                cold = opened(browser, f"{address}/search?name=many", OURS, MANY, first=first)
                warm = opened(browser, f"{address}/search?name=many", OURS, MANY, first=first)
                share, heard = cpu_of_viewers(store, "some", address, token, process)
        theirs = of_optuna(browser, Path(folder))
        browser.close()
    table: list[tuple[str, ...]] = [("", "MB", "s until on screen", "goals")]
    goals = "no optuna-dashboard here"
    if theirs is not None:
        table.append((f"optuna-dashboard, {TRIALS:,} trials", f"{theirs.bytes / 1e6:.2f}", f"{theirs.seconds:.1f}", ""))
        size = verdict(theirs.bytes / max(1, ours.bytes), 30, at_most=False)
        goals = f"times fewer bytes {size}; times sooner {verdict(theirs.seconds / ours.seconds, 8, at_most=False)}"
    table.append((f"hstore ui, {TRIALS:,} trials", f"{ours.bytes / 1e6:.2f}", f"{ours.seconds:.1f}", goals))
    table.append((f"hstore ui, {MANY:,} trials, first", f"{cold.bytes / 1e6:.2f}", f"{cold.seconds:.1f}", ""))
    table.append(
        (
            f"hstore ui, {MANY:,} trials, warm",
            f"{warm.bytes / 1e6:.2f}",
            f"{warm.seconds:.1f}",
            verdict(warm.seconds, 2.0),
        )
    )
    show(f"The page (load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)", table)
    show(
        f"{VIEWERS} viewers of a live search of {TRIALS:,} trials",
        [("", "measured", "goal"), ("server, share of a core", f"{share:.2f}", verdict(share, 0.15)),
         ("messages that each heard, at least", str(heard), "")],
    )  # fmt: skip
