"""What goes over the line between a worker and its child process."""

import threading
import time
from pathlib import Path
from typing import Any

from tests.workers.bench import Bench

from hstore import hp
from hstore.engine.evaluation import objective_spec as objective_spec
from hstore.store.errors import HstoreError


def test_points_answers_and_results_may_be_large(bench: Bench) -> None:
    def objective(config: dict[str, Any]) -> dict[str, Any]:
        ctrl = config["ctrl"]
        ctrl.attachments["large"] = b"a" * 10_000_000
        return {"status": "ok", "loss": 0.0, "got": ctrl.attachments["large"], "x": config["x"]}

    from hstore import Ctrl

    kept: dict[str, bytes] = {}

    def serve(name: str, *arguments: Any) -> Any:
        return kept.__setitem__(*arguments) if name == "attach" else kept[arguments[0]]

    space = {"x": hp.choice("x", ["b" * 3_000_000]), "ctrl": Ctrl}
    outcome = bench.call(objective, x=0, space=space, serve=serve)
    assert outcome.kind == "done", outcome.data
    assert outcome.data["result"]["got"] == kept["large"] == b"a" * 10_000_000
    assert len(outcome.data["result"]["x"]) == 3_000_000


def test_what_the_store_answers_with_an_error_is_raised_in_the_objective(bench: Bench) -> None:
    class Local(Exception):
        """Of a class that the child cannot import."""

    errors: list[Exception] = [KeyError("gone"), HstoreError("no", hint="why"), Local("odd")]

    def serve(*_: Any) -> None:
        raise errors.pop(0)

    def objective(config: dict[str, Any]) -> dict[str, Any]:
        seen = []
        for _ in range(3):
            try:
                config["ctrl"].report(1, 1.0)
            except Exception as error:  # noqa: BLE001
                seen.append([type(error).__name__, str(error), getattr(error, "hint", None)])
        return {"status": "ok", "loss": 0.0, "seen": seen}

    from hstore import Ctrl

    outcome = bench.call(objective, serve=serve, space={"x": hp.uniform("x", -5, 5), "ctrl": Ctrl})
    assert outcome.kind == "done", outcome.data
    assert outcome.data["result"]["seen"] == [
        ["KeyError", "'gone'", None],
        ["HstoreError", "no", "why"],
        ["HstoreError", "Local: odd", ""],
    ]


def test_threads_of_an_objective_speak_one_at_a_time_and_no_more_once_it_has_returned(
    bench: Bench, tmp_path: Path
) -> None:
    def objective(config: dict[str, Any]) -> float:
        import threading

        barrier = threading.Barrier(5)

        def work(n: int) -> None:
            for step in range(50):
                config["ctrl"].report(step, n)
            barrier.wait()
            while not (tmp_path / "go").exists():
                time.sleep(0.01)
            try:
                config["ctrl"].report(-1, n)
            except RuntimeError as error:
                (tmp_path / f"thread {n}").write_text(str(error))

        for n in range(4):
            threading.Thread(target=work, args=(n,)).start()
        for step in range(50):
            config["ctrl"].report(step, 4)
        barrier.wait()
        return 1.0

    def next_one(_: Any) -> float:
        (tmp_path / "go").touch()
        while len(list(tmp_path.glob("thread *"))) < 4:
            time.sleep(0.01)
        return 1.0

    from hstore import Ctrl

    messages: list[tuple[float, int]] = []

    def serve(_: str, step: int, value: float) -> None:
        messages.append((value, step))

    outcome = bench.call(objective, serve=serve, space={"x": hp.uniform("x", -5, 5), "ctrl": Ctrl})
    assert outcome.kind == "done", outcome.data
    assert sorted(messages) == [(n, step) for n in range(5) for step in range(50)]
    # What comes too late is not taken for something that the next trial says: `answer_nothing` would fail it.
    assert bench.call(next_one).kind == "done"
    said = {file.read_text() for file in tmp_path.glob("thread *")}
    assert said == {f"the objective has returned: nothing more can be said of trial {bench.count - 1}"}


def test_what_a_log_cannot_hold_is_said_and_recorded_as_text(bench: Bench) -> None:
    outcome = bench.call(lambda _: {"status": "ok", "loss": 1.0, "model": threading.Lock()})
    assert outcome.kind == "done"
    assert len(outcome.warnings) == 1
    assert outcome.warnings[0].startswith("result.model is ")
    assert isinstance(outcome.data["result"]["model"], str)
