"""`hstore head`, `hstore seal`, `hstore verify --head`: a log that was changed is found out."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database
from tests.cli.commands import run

import hstore
from hstore import Trials, fmin, hp, open, rand
from hstore.engine.search import driver
from hstore.store.digest import digest
from hstore.store.errors import Tampered
from hstore.store.events import Noted, Sealed
from hstore.store.head import is_proven
from hstore.store.verify import verify

Events = Any
LAST = 3
LARGE = "z" * 100_000


def objective(config: dict[str, Any]) -> dict[str, Any]:
    return {"status": "ok", "loss": config["x"] ** 2, "blob": LARGE if config["x"] > 0 else ""}


def search(url: str, n: int = LAST + 1, **more: Any) -> None:
    fmin(
        objective, {"x": hp.uniform("x", -1, 1)}, algo=rand.suggest, max_evals=n, rstate=np.random.default_rng(0),
        verbose=False, experiment="e", store=url, **more,
    )  # fmt: skip


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_a_head_is_signed_with_an_ssh_key_and_another_head_is_not(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keygen(*words: str | Path, text: str = "") -> int:
        return subprocess.run(
            ["ssh-keygen", *words], input=text, text=True, capture_output=True, check=False
        ).returncode

    monkeypatch.chdir(tmp_path)
    assert keygen("-q", "-t", "ed25519", "-N", "", "-f", "key") == 0
    done = run(url, "head", "e", "--sign", "key")
    assert done.exit_code == 0, done.output
    text = Path("e.head").read_text()
    assert text == done.stdout == run(url, "head", "e").stdout
    Path("allowed").write_text(f"ann@lab {Path('key.pub').read_text()}")
    check = ("-Y", "verify", "-f", "allowed", "-I", "ann@lab", "-n", "hstore-head", "-s", "e.head.sig")
    assert keygen(*check, text=text) == 0
    assert keygen(*check, text=text.replace("head  ", "head ")) != 0
    Path("no key").write_text("no key")
    refused = run(url, "head", "e", "--sign", "no key", "-o", "other")
    assert (refused.exit_code, Path("other").exists()) == (1, False)
    assert "ssh-keygen does not sign with no key" in refused.output


@pytest.fixture
def url(filled: Callable[[Callable[[str], object]], str]) -> str:
    """A store with a search that has ended."""
    return filled(search)


@pytest.fixture
def events(url: str, database: Database[Any]) -> Events:
    """The events of that store, for those who can write to it."""
    return database["events"]


def published(url: str) -> dict[str, Any]:
    return json.loads(run(url, "head", "e", "--json").stdout)  # type: ignore[no-any-return]


def put_right(events: Events, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit each event, then compute all digests again in the order of decisions; heads that the log holds go."""
    documents = list(events.find({"exp": "e"}).sort([("tid", 1), ("ver", 1)]))
    chains: dict[int | None, list[dict[str, Any]]] = {}
    for document in documents:
        edit(document)
        chains.setdefault(document.get("tid"), []).append(document)
    digests: dict[tuple[int | None, int], bytes] = {}
    before = digests[None, 0] = digest(chains[None][0])
    for tid in [*(tid for tid in chains if tid is not None), None]:
        after = digests[None, 0] if tid is None else b""
        for document in chains[tid][1:] if tid is None else chains[tid]:
            data = document["data"]
            data["prev"] = before if document["ver"] == 0 else after
            for entry in data.get("observed", ()):
                entry[2] = digests[entry[0], entry[1]]
            if "decision" in data:
                data["decision"] = before
                data.pop("head", None)
                data.pop("tips", None)
            after = digests[tid, document["ver"]] = digest(document, after)
            if document["ver"] == 0:
                before = after
    for document in documents:
        events.replace_one({"_id": document["_id"]}, document)


def test_a_head_is_printed_and_its_trials_can_be_proven(url: str) -> None:
    about = published(url)
    printed = run(url, "head", "e").stdout
    assert f"head       {about['head']}\n" in printed
    assert f"covers     {LAST + 1} decisions, {about['events']} events" in printed
    proof = json.loads(run(url, "head", "e", "--trial", "2", "--json").stdout)["proof"]
    proof |= {"digest": bytes.fromhex(proof["digest"]), "path": [bytes.fromhex(each) for each in proof["path"]]}
    assert proof["trial"] == 2
    assert is_proven(proof, bytes.fromhex(about["head"]))
    assert run(url, "head", "e", "--trial", "2").exit_code == 2
    assert run(url, "head", "e", "--trial", "99", "--json").exit_code != 0


def test_a_head_stays_true_while_the_search_goes_on(mongo_url: str) -> None:
    search(mongo_url, 2)
    earlier = published(mongo_url)
    search(mongo_url, 4)
    for more in ([], ["--at", earlier["position"]]):
        came = run(mongo_url, "verify", "e", "--head", earlier["head"], *more)
        assert came.exit_code == 0
        assert f"the first {earlier['events']} events, 2 decisions" in came.stdout
    assert f"head {published(mongo_url)['head']}" in came.stdout
    with open(mongo_url) as store:
        [*_, recorded] = verify(store.experiment("e").documents()).recorded
    found = run(mongo_url, "verify", "e", "--head", recorded.head.hex(), "--json")
    assert json.loads(found.stdout)["published"]["ver"] == recorded.ver


def test_another_head_fails_in_one_clear_line(url: str) -> None:
    came = run(url, "verify", "e", "--head", "5a" * 32)
    assert came.exit_code == 6
    [line] = [line for line in came.stdout.splitlines() if "5a5a" in line]
    assert line.startswith(f"no state that this log went through has the head {'5a' * 32}")
    position = published(url)["position"]
    assert run(url, "verify", "e", "--head", "5a" * 32, "--at", position).exit_code == 6
    assert run(url, "verify", "e", "--head", published(url)["head"], "--at", "0,0").exit_code == 6


@pytest.mark.parametrize(
    "args", [["--head", "5a"], ["--head", "x" * 64], ["--at", "0"], ["--head", "5a" * 32, "--at", "no"]]
)
def test_what_is_no_head_is_wrong_usage(args: list[str], url: str) -> None:
    came = run(url, "verify", "e", *args)
    assert came.exit_code == 2


def test_a_best_that_was_forged_with_all_digests_made_to_fit_has_another_head(url: str, events: Events) -> None:
    head = published(url)["head"]
    assert run(url, "verify", "e", "--head", head).exit_code == 0

    def forge(document: dict[str, Any]) -> None:
        if document.get("tid") == LAST and document["type"] == "done":
            document["data"]["loss"] = -1011.0
            document["data"].pop("spilled", None)
            document["data"]["result"] = {"status": "ok", "loss": -1011.0}

    put_right(events, forge)
    assert run(url, "rebuild", "e").exit_code == 0
    assert run(url, "verify", "e").exit_code == 0  # nobody who has only the log could say
    assert run(url, "verify", "e", "--head", head).exit_code == 6


def test_an_older_copy_of_the_log_has_another_head(url: str, events: Events) -> None:
    head = published(url)["head"]
    events.delete_one({"type": "finished"})
    events.delete_many({"tid": LAST})
    assert run(url, "verify", "e", "--head", head).exit_code == 6


def test_an_end_that_was_made_to_fit_what_the_end_of_the_search_observed_is_found(url: str, events: Events) -> None:
    finished, after = events.find_one({"type": "finished"}), b""
    for document in events.find({"tid": LAST}).sort("ver", 1):
        if document["type"] == "done":
            document["data"]["loss"] = -1000.0
            events.replace_one({"_id": document["_id"]}, document)
        after = digest(document, after)
    for entry in finished["data"]["observed"]:
        if entry[0] == LAST:
            entry[2] = after
    events.replace_one({"_id": finished["_id"]}, finished)
    came = run(url, "verify", "e")
    assert came.exit_code == 6
    assert "its head is not that of the" in came.stdout


def test_stripped_digests_are_a_failure(url: str, events: Events) -> None:
    for document in events.find():
        for field in ("prev", "decision", "head", "tips"):
            document["data"].pop(field, None)
        if "observed" in document["data"]:
            document["data"]["observed"] = []
        events.replace_one({"_id": document["_id"]}, document)
    came = run(url, "verify", "e")
    assert came.exit_code == 6
    assert "event 0 of trial 0 was stripped: it does not hold the digest of what it follows" in came.stdout


def test_what_no_digest_covers_is_counted_and_can_be_sealed(url: str) -> None:
    assert "uncommitted" not in run(url, "verify", "e").stdout
    search(url, LAST + 2)
    with open(url) as store:
        experiment = store.experiment("e")
        experiment.append(experiment.compose((Noted, 0, {"note": "late"})))
    assert "uncommitted: 1 events" in run(url, "verify", "e").stdout
    sealed = run(url, "seal", "e").stdout
    assert sealed.startswith("head       ")
    assert run(url, "seal", "e").stdout == sealed  # there is nothing new
    assert "uncommitted" not in run(url, "verify", "e").stdout
    assert run(url, "check", "e").exit_code == 0


def test_a_log_that_was_changed_is_not_sealed(url: str, events: Events) -> None:
    events.update_one({"tid": 1, "type": "done"}, {"$set": {"by": "another"}})
    came = run(url, "seal", "e")
    assert came.exit_code == 6
    assert "was not sealed: event 3 of trial 1 was changed" in came.stderr
    assert events.count_documents({"type": "sealed"}) == 0


@pytest.mark.parametrize("what", ["removed", "changed"])
def test_what_events_name_is_fetched(what: str, url: str, database: Database[Any], events: Events) -> None:
    objective = events.find_one({"type": "created"})["data"]["objective"]
    large = events.find_one({"type": "done", "data.spilled": {"$exists": True}})
    names = [objective["pickle"]["sha256"].hex(), large["data"]["spilled"]["result"]["sha256"].hex()]
    for file in database["attachments.files"].find({"filename": {"$in": names}}):
        if what == "removed":
            database["attachments.files"].delete_one({"_id": file["_id"]})
        database["attachments.chunks"].update_one({"files_id": file["_id"]}, {"$set": {"data": b"x" * 100}})
    came = run(url, "verify", "e")
    assert came.exit_code == 6
    assert "event 0 of the experiment's own chain was lost: it names the pickle of the objective" in came.stdout
    lost = f"event {large['ver']} of trial {large['tid']} was lost: a part of it is kept as an attachment"
    assert lost in came.stdout
    assert run(url, "verify", "e", "--no-attachments").exit_code == 0


def test_a_search_does_not_go_on_with_a_log_that_was_changed_unless_told_to(url: str, events: Events) -> None:
    events.update_one({"tid": 1, "type": "reserved"}, {"$set": {"data.worker": "another"}})
    with pytest.raises(Tampered, match="'e' is refused: event 1 of trial 1 was changed"):
        search(url, LAST + 3)
    assert events.count_documents({"tid": LAST + 1}) == 0
    search(url, LAST + 3, trust=True)
    assert events.count_documents({"tid": LAST + 2, "type": "done"}) == 1


def test_who_asks_for_trials_does_not_go_on_with_a_log_that_was_changed_unless_told_to(
    url: str, events: Events
) -> None:
    assert run(url, "enqueue", "e", json.dumps({"x": 0.5})).exit_code == 0
    token = json.loads(run(url, "ask", "e", "--json").stdout)["token"]
    events.update_one({"tid": 1, "type": "reserved"}, {"$set": {"data.worker": "another"}})
    assert run(url, "ask", "e").exit_code == 6
    with pytest.raises(Tampered, match="event 1 of trial 1 was changed"):
        hstore.search(experiment="e", store=url)
    hstore.search(experiment="e", store=url, trust=True).close()
    assert run(url, "tell", "e", token, "0.5").exit_code == 0  # what was computed is kept


def test_a_search_does_not_go_on_with_a_last_end_that_contradicts_itself(url: str, events: Events) -> None:
    events.delete_one({"type": "finished"})  # so that no digest covers it
    events.update_one({"tid": LAST, "type": "done"}, {"$set": {"data.status": "fail"}})
    with pytest.raises(Tampered, match=f"event 3 of trial {LAST} contradicts itself: its status is 'fail'"):
        search(url, LAST + 2)


def test_a_worker_refuses_a_trial_that_was_changed_unless_told_to(url: str, events: Events) -> None:
    assert run(url, "retry", "e", "1").exit_code == 0
    events.update_one({"tid": 1, "type": "reserved"}, {"$set": {"data.worker": "another"}})
    refused = run(url, "worker", "e", "--burst", "--isolate", "none", "--quiet")
    assert events.count_documents({"tid": 1, "type": "done"}) == 1
    assert "event 1 of trial 1 was changed" in refused.stderr
    run(url, "worker", "e", "--burst", "--isolate", "none", "--quiet", "--force")
    assert events.count_documents({"tid": 1, "type": "done"}) == 2


def test_a_driver_seals_every_so_many_decisions_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "SEAL_EVERY", 3)
    trials = Trials()
    for n in (7, 14):
        fmin(
            lambda x: x**2, hp.uniform("x", 0, 1), algo=rand.suggest, max_evals=n, trials=trials, max_queue_len=2,
            verbose=False, rstate=np.random.default_rng(0),
        )  # fmt: skip
    experiment = trials.experiment
    seals = [event.decisions for event in experiment.chain(None) if isinstance(event, Sealed)]
    assert seals == [4, 11]
    report = verify(experiment.documents())
    assert (report.findings, report.uncommitted) == ((), 0)
    assert [each.decisions for each in report.recorded][-1] == 14
