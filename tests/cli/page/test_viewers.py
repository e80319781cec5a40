"""Many who look at one live search: each ends with what the log holds, also when the server is started anew."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the page needs the extra: pip install 'hstore[ui]'")
pytest.importorskip("bokeh", reason="the page needs the extra: pip install 'hstore[ui]'")

from tests.cli.page.serving import Page, new_store, served
from tests.waiting import GENEROUS, until_read

from hstore import fmin, hp, rand
from hstore.store.experiment import Experiment
from hstore.store.server import EmbeddedServer

VIEWERS, EVALS = 12, 8
NAME = "live / <b>"


class Viewer:
    """What the script of the page does: it loads the columns, and goes on from them by server-sent events."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.loads = 0
        self.load()

    def load(self) -> None:
        columns = self.page.get("/api/columns", name=NAME).data
        self.tick, self.loads = columns["tick"], self.loads + 1
        self.losses = dict(zip(columns["tid"], columns["loss"], strict=True))

    def follow(self, trials: int) -> dict[int, float | None]:
        """Listen until *trials* have a loss, and return the losses; load again when the server says so."""
        while self.ended < trials:
            for event, data in self.heard():
                if event == "reload":
                    self.load()
                    break
                self.tick = data["tick"]
                self.losses |= {row["tid"]: row.get("loss") for row in data["rows"]}
                if self.ended == trials:
                    break
        return self.losses

    @property
    def ended(self) -> int:
        return len([loss for loss in self.losses.values() if loss is not None])

    def heard(self) -> Iterator[tuple[str, Any]]:
        connection = HTTPConnection("127.0.0.1", self.page.port, timeout=GENEROUS)
        # As a browser does that comes back: the address is that of before, the header has what it heard last.
        headers = {"Host": self.page.host, "Cookie": self.page.cookie, "Last-Event-ID": str(self.tick)}
        connection.request("GET", f"/api/live?name={NAME.replace(' ', '%20')}&tick=0", headers=headers)
        try:
            yield from messages(connection.getresponse())
        finally:
            connection.close()


def messages(response: HTTPResponse) -> Iterator[tuple[str, Any]]:
    event = "message"
    for line in response:
        key, _, value = line.decode().rstrip("\n").partition(": ")
        if key == "event":
            event = value
        elif key == "data":
            yield event, json.loads(value)
            event = "message"


def test_each_viewer_of_a_live_search_has_all_of_it_also_behind_a_restart(mongod: EmbeddedServer) -> None:
    may_go_on = threading.Semaphore(0)

    def objective(point: dict[str, float]) -> float:
        assert may_go_on.acquire(timeout=GENEROUS)
        return point["x"]

    with new_store(mongod) as store, ThreadPoolExecutor(VIEWERS + 1) as threads:
        search = threads.submit(
            fmin, objective, {"x": hp.uniform("x", 0, 1)}, rand.suggest, EVALS, rstate=0, verbose=False,
            experiment=NAME, store=store.for_thread(),
        )  # fmt: skip
        log = Experiment(store, NAME)
        may_go_on.release(2)
        until_read(log, lambda: log.state.ended == 2)
        with served(store) as page:
            viewers = [Viewer(page) for _ in range(VIEWERS)]
        may_go_on.release(2)  # the page is away, and the search is not
        until_read(log, lambda: log.state.ended == 4)
        with served(store, port=page.port):
            viewers.append(Viewer(page))  # so that the new server has begun to read before the others come back
            following = [threads.submit(viewer.follow, EVALS) for viewer in viewers]
            may_go_on.release(EVALS - 4)
            found = [each.result(GENEROUS) for each in following]
            search.result(GENEROUS)
        log.refresh()
        losses = pytest.approx({trial.tid: trial.loss for trial in log.trials}, rel=1e-6)  # columns have seven digits
        assert all(each == losses for each in found)
        assert [viewer.loads for viewer in viewers] == [2] * VIEWERS + [1], "only what changed travels"
