"""Keras and PyTorch Lightning: a report after each epoch.

Both are known by the shape of their callbacks alone: nothing of them is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hstore.engine.callbacks.reporting import ReportingTrial, base_class, check_mode, unknown_metric


def keras_callback(trial: ReportingTrial, monitor: str = "val_loss", mode: str = "auto") -> Any:
    """Return a callback for `model.fit` of Keras, which reports *monitor* after each epoch in which it is computed.

    mode: "min", "max" (the sign is changed), or "auto": "max" for an accuracy and an AUC, as in Keras' EarlyStopping.
    Raises `InvalidValue` for another mode, and at the end of a training that never computed the value.
    """
    check_mode(mode, "auto", "min", "max")
    is_more_better = mode == "max" or (mode == "auto" and ("acc" in monitor or "auc" in monitor))

    class KerasCallback(base_class("Callback", "keras.callbacks", "tensorflow.keras.callbacks")):  # type: ignore[misc]
        """Made by `keras_callback`."""

        seen: Mapping[str, Any] = {}
        has_reported = False

        def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
            """Report the value of the epoch, and stop the training if the trial is to stop."""
            self.seen = logs or {}
            if monitor not in self.seen:  # with validation_freq=5, say
                return
            value = float(self.seen[monitor])
            trial.report(epoch + 1, -value if is_more_better else value)
            self.has_reported = True
            if trial.should_stop():
                self.model.stop_training = True

        def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
            """Complain if there was nothing to report."""
            if not self.has_reported:
                raise unknown_metric(monitor, self.seen, "pass validation_data to fit, or another monitor")

    return KerasCallback()


def lightning_callback(trial: ReportingTrial, monitor: str = "val_loss", mode: str = "min") -> Any:
    """Return a callback for the `Trainer` of PyTorch Lightning, which reports *monitor* after each validation.

    monitor: the name under which the module logs it: `self.log("val_loss", loss)`.
    mode: "min", or "max": the sign is changed.
    Raises `InvalidValue` for another mode, and after a validation that did not log the value.
    """

    check_mode(mode, "min", "max")

    class LightningCallback(base_class("Callback", "lightning.pytorch", "pytorch_lightning")):  # type: ignore[misc]
        """Made by `lightning_callback`."""

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            """Report the value of the epoch, and stop the training if the trial is to stop."""
            if trainer.sanity_checking:  # a few batches, before the first epoch
                return
            if monitor not in trainer.callback_metrics:
                raise unknown_metric(monitor, trainer.callback_metrics, "log it in validation_step")
            value = float(trainer.callback_metrics[monitor])
            trial.report(trainer.current_epoch + 1, -value if mode == "max" else value)
            if trial.should_stop():
                trainer.should_stop = True

    return LightningCallback()
