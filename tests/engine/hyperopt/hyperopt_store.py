"""A store of hyperopt's, written as its documentation and its own workers write one (reference, sections 5 and 9)."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bson import ObjectId
from gridfs import GridFS
from pymongo.database import Database

from hstore.store.url import connect, parse

BEGAN = dt.datetime(2014, 3, 1, 12, 0, 0, 250_000)
"""Naive UTC, as hyperopt's clocks are."""


class Jobs:
    """Writes jobs and attachments into a database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database: Database[dict[str, Any]] = connect(parse(url))
        self.files = GridFS(self.database, "fs")

    def job(
        self, tid: int, state: int, vals: Mapping[str, float], *, exp_key: str | None = "digits",
        attachments: Mapping[str, bytes] | None = None, **fields: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Insert a job, one second after the job before; return its document."""
        labels = {"x", "n", "never", *vals}
        began = BEGAN + dt.timedelta(seconds=tid) if state else None
        id = ObjectId(f"{int(BEGAN.replace(tzinfo=dt.UTC).timestamp()) + tid:08x}{uuid.uuid4().hex[:16]}")
        document: dict[str, Any] = {
            "_id": id, "tid": tid, "state": state, "spec": None, "exp_key": exp_key, "version": 3 if state else 0,
            "result": {"status": "ok", "loss": 1.0 / tid, "epochs": 7} if state == 2 else {"status": "new"},
            "owner": ["node7:4321"] if state else None, "book_time": began,
            "refresh_time": began + dt.timedelta(seconds=0.5) if began else None,
            "misc": {
                "tid": tid, "cmd": ["domain_attachment", "FMinIter_Domain"], "workdir": None,
                "idxs": {label: [tid] if label in vals else [] for label in labels},
                "vals": {label: [vals[label]] if label in vals else [] for label in labels},
            },
            **fields,
        }  # fmt: skip
        for name, content in (attachments or {}).items():
            file = self.files.put(content, filename=f"{id}_{name}", encoding="utf-8")
            document.setdefault("_attachments", []).append([name, file])
        self.database["jobs"].insert_one(document)
        return document

    def share(self, name: str, content: bytes, exp_key: str | None = "digits") -> None:
        """Attach *content* to the experiment, as its driver does."""
        key = {} if exp_key is None else {"exp_key": exp_key}
        self.files.put(content, filename=name, encoding="utf-8", **key)

    def a_search(self) -> None:
        """Write a job of each state, tids as they come when several searches share one counter."""
        self.share("FMinIter_Domain", b"\x80\x04cos\nsystem\n.")
        self.job(3, 2, {"x": 0.5, "n": 2.0}, attachments={"log": b"epoch 1\n", "model": b"\0" * 300_000})
        self.job(5, 3, {"x": 0.75, "n": 2.0}, error=["<class 'ValueError'>", "too large"])
        self.job(6, 1, {"x": 0.25, "n": 1.0})
        self.job(8, 0, {"x": 0.125, "n": 1.0})
        self.job(9, 4, {"x": 0.5, "n": 2.0})
        self.job(11, 2, {"x": 0.875, "n": 1.0}, result={"status": "fail", "why": "diverged"})


@contextmanager
def hyperopt_store(url: str) -> Iterator[Jobs]:
    """Hand out a database for hyperopt's jobs beside *url*'s; it is dropped afterwards."""
    jobs = Jobs(url.replace("/test_", "/jobs_"))
    try:
        yield jobs
    finally:
        jobs.database.client.drop_database(jobs.database.name)
        jobs.database.client.close()
