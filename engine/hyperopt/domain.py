"""Domain: hyperopt's name and interface for an objective and its space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hstore.engine.evaluation.domain import BoundObjective
from hstore.engine.evaluation.results import STATUS_NEW
from hstore.engine.hyperopt.ctrl import Ctrl
from hstore.engine.space import Apply, as_apply

if TYPE_CHECKING:
    from hstore.engine.hyperopt.vectorize import VectorizeHelper


class Domain(BoundObjective):
    """An objective and the space that it is searched in: a `Space`, or a nest of dicts, lists and `hp` expressions.

    It is called with a point, and with a `Ctrl` beside it if it has a parameter *ctrl*; or as hyperopt calls those with
    `fmin_pass_expr_memo_ctrl`.

    params: by label the expression that it is drawn from. workdir, name and loss_target are kept for the user;
    hstore does not read them.
    """

    __module__ = "hstore"

    rec_eval_print_node_on_error = False

    def __init__(
        self,
        fn: Callable[..., Any],
        expr: Any,
        workdir: str | None = None,
        pass_expr_memo_ctrl: bool | None = None,
        name: str | None = None,
        loss_target: float | None = None,
        *,
        objectives: int | None = None,
    ) -> None:
        super().__init__(fn, expr, pass_expr_memo_ctrl=pass_expr_memo_ctrl, objectives=objectives)
        self.workdir = workdir
        self.name = name
        self.loss_target = loss_target
        self.cmd = ("domain_attachment", "FMinIter_Domain")

    @property
    def params(self) -> dict[str, Apply]:
        """By label the expression that its values are drawn from."""
        return self.space.draws

    @property
    def pyll_ctrl(self) -> Apply:
        """What stands in an expression for the `Ctrl` of an evaluation."""
        return as_apply(Ctrl)

    @cached_property
    def vh(self) -> VectorizeHelper:
        """The draws of the space for several trials at once."""
        from hstore.engine.hyperopt.vectorize import VectorizeHelper

        return VectorizeHelper(self.space)

    @property
    def s_new_ids(self) -> Apply:
        """What stands in `s_idxs_vals` for the ids of the trials to draw for."""
        return self.vh.new_ids

    @property
    def s_rng(self) -> Apply:
        """What stands in `s_idxs_vals` for the generator to draw with."""
        return self.vh.rng

    @property
    def s_idxs_vals(self) -> Apply:
        """Draws from the prior: by label the ids of the trials in which it is active, and its values there."""
        return self.vh.idxs_vals

    def memo_from_config(self, config: Mapping[str, Any]) -> dict[Apply, Any]:
        """Return the values that *config*, {label: raw value}, gives to nodes of `expr`."""
        return self.space.memo(config)

    def short_str(self) -> str:
        """Return the name of the objective in one line."""
        return f"Domain{{{self.fn!s}}}"

    def loss(self, result: Mapping[str, Any], config: Any = None) -> float | None:
        """Return the loss of *result*; None without one."""
        loss: float | None = result.get("loss")
        return loss

    def loss_variance(self, result: Mapping[str, Any], config: Any = None) -> float:
        """Return the variance of the loss of *result*; 0 unless it says."""
        return result.get("loss_variance", 0.0)  # type: ignore[no-any-return]

    def true_loss(self, result: Mapping[str, Any], config: Any = None) -> float | None:
        """Return the true loss of *result*, such as that on test data; its loss unless it says."""
        true_loss: float | None = result.get("true_loss", self.loss(result, config))
        return true_loss

    def true_loss_variance(self, config: Any = None) -> float:
        """Raise NotImplementedError, as in hyperopt: a subclass may know it."""
        raise NotImplementedError("the variance of the true loss is not known; a subclass may define this method")

    def status(self, result: Mapping[str, Any], config: Any = None) -> str:
        """Return the status of *result*."""
        return result["status"]  # type: ignore[no-any-return]

    def new_result(self) -> dict[str, Any]:
        """Return the result of a trial that has none yet."""
        return {"status": STATUS_NEW}
