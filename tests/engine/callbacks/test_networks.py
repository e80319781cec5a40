"""Keras and PyTorch Lightning report each epoch, and stop when the trial is to stop.

Neither package is installed for the tests. Stand-ins call the callbacks as the real loops do: `model.stop_training`,
`trainer.should_stop`, `trainer.callback_metrics`, and a base class that has the other hooks.
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from hstore.callbacks import keras_callback, lightning_callback
from hstore.store.errors import InvalidValue


class StandInCallback:
    """The base class of a library's callbacks: hooks that do nothing."""

    model: Any = None

    def set_model(self, model: Any) -> None:
        self.model = model

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None: ...

    def on_train_end(self, logs: Any = None) -> None: ...

    def on_train_start(self, trainer: Any, pl_module: Any) -> None: ...


@pytest.fixture(autouse=True)
def imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that has imported both libraries."""
    for name in ("keras.callbacks", "lightning.pytorch"):
        module = ModuleType(name)
        module.Callback = StandInCallback  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)


class Heard:
    """A trial that keeps what it is told, and stops after two reports."""

    def __init__(self) -> None:
        self.reports: list[tuple[int, float]] = []

    def report(self, step: int, value: float) -> None:
        self.reports.append((step, value))

    def should_stop(self) -> bool:
        return len(self.reports) >= 2


def keras_trained(callback: Any, logs: list[dict[str, float]]) -> int:
    """Go through epochs as `Model.fit` does; return how many there were."""
    model = SimpleNamespace(stop_training=False)
    callback.set_model(model)
    done = 0
    for epoch, each in enumerate(logs):
        callback.on_epoch_end(epoch, each)
        done += 1
        if model.stop_training:
            break
    callback.on_train_end(logs[done - 1])
    return done


def test_keras_reports_the_monitored_value_of_each_epoch_and_stops() -> None:
    trial = Heard()
    callback = keras_callback(trial)
    assert isinstance(callback, StandInCallback)
    assert keras_trained(callback, [{"val_loss": 0.5}, {"loss": 0.1}, {"val_loss": 0.4}, {"val_loss": 0.3}]) == 3
    assert trial.reports == [(1, 0.5), (3, 0.4)]


@pytest.mark.parametrize(("mode", "sign"), [("auto", -1), ("max", -1), ("min", 1)])
def test_keras_accuracy_is_reported_so_that_smaller_is_better(mode: str, sign: int) -> None:
    trial = Heard()
    keras_trained(keras_callback(trial, "val_accuracy", mode), [{"val_accuracy": 0.75}])
    assert trial.reports == [(1, sign * 0.75)]


def test_keras_that_never_computes_the_value_is_an_error() -> None:
    with pytest.raises(InvalidValue, match="no metric 'val_loss'; it has: loss"):
        keras_trained(keras_callback(Heard()), [{"loss": 1.0}])


def lightning_trained(callback: Any, values: list[float], name: str = "val_loss") -> int:
    """Validate before the first epoch and after each, as `Trainer.fit` does; return the number of epochs."""
    trainer = SimpleNamespace(sanity_checking=True, callback_metrics={}, current_epoch=0, should_stop=False)
    callback.on_train_start(trainer, None)
    callback.on_validation_end(trainer, None)
    trainer.sanity_checking = False
    for trainer.current_epoch, value in enumerate(values):
        trainer.callback_metrics = {name: value}
        callback.on_validation_end(trainer, None)
        if trainer.should_stop:
            break
    return int(trainer.current_epoch) + 1


def test_lightning_reports_after_each_validation_but_the_sanity_check_and_stops() -> None:
    trial = Heard()
    assert lightning_trained(lightning_callback(trial, "val_acc", "max"), [0.5, 0.75, 0.8], "val_acc") == 2
    assert trial.reports == [(1, -0.5), (2, -0.75)]


def test_lightning_that_does_not_log_the_value_is_an_error() -> None:
    with pytest.raises(InvalidValue, match="no metric 'val_loss'; it has: train_loss"):
        lightning_trained(lightning_callback(Heard()), [0.5], "train_loss")


@pytest.mark.parametrize("callback", [keras_callback, lightning_callback])
def test_a_mode_that_neither_minimises_nor_maximises_is_refused(callback: Any) -> None:
    with pytest.raises(InvalidValue, match=r"mode must be .*, not 'maximize'"):
        callback(None, "val_loss", mode="maximize")


def test_without_the_library_the_callback_is_of_no_class_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "keras.callbacks")
    trial = Heard()
    keras_callback(trial).on_epoch_end(0, {"val_loss": 1.0})
    assert trial.reports == [(1, 1.0)]
