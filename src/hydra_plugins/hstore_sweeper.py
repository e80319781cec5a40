"""The sweeper `hydra/sweeper=hstore` of Hydra, which looks for plug-ins in this namespace."""

# Hydra runs this file before it is among sys.modules, where dataclasses look annotations up that are text: so no
# `from __future__ import annotations` here.
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import CompactHydraException
from hydra.plugins.sweeper import Sweeper
from omegaconf import OmegaConf


@dataclass
class HstoreSweeperConf:
    """What `hydra.sweeper` takes on the command line and in configuration files."""

    _target_: str = "hydra_plugins.hstore_sweeper.HstoreSweeper"
    experiment: str = "${hydra.job.name}"
    """The experiment that is begun or continued."""
    store: Optional[str] = None  # noqa: UP045  # Hydra's configuration knows no other way
    """URL of the store; none: $HSTORE_URL, or the embedded one."""
    max_evals: int = 20
    """Trials in all, those of earlier sweeps included."""
    batch: int = 1
    """Jobs that are launched together."""
    algo: Optional[str] = None  # noqa: UP045
    seed: Optional[int] = None  # noqa: UP045


ConfigStore.instance().store(group="hydra/sweeper", name="hstore", node=HstoreSweeperConf, provider="hstore")


class HstoreSweeper(Sweeper):
    """Searches over Hydra's overrides; each trial is a job of Hydra's launcher, and an event log is behind it."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.hydra_context = self.config = self.launcher = None

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """See Hydra's `Sweeper.setup`."""
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Search over *arguments*; write the best to optimization_results.yaml in the folder of the sweep."""
        from hstore.engine.bridges.hydra_search import sweep
        from hstore.store.errors import HstoreError

        config, launcher = self.config, self.launcher
        assert config is not None and launcher is not None and self.hydra_context is not None  # noqa: PT018
        folder = Path(config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(config, folder / "multirun.yaml")

        def launch(overrides: list[list[str]], first: int) -> Any:
            self.validate_batch_is_legal(overrides)
            return launcher.launch(overrides, initial_job_idx=first)

        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        try:
            best = sweep(parser.parse_overrides(arguments), launch, **self.options)
        except HstoreError as error:
            raise CompactHydraException(str(error)) from error  # Hydra prints no traceback of these
        found: dict[str, Any] = {"name": "hstore"}
        if best[0].losses is None or len(best[0].losses) == 1:
            found |= {"best_evaluated_params": dict(best[0].params), "best_evaluated_result": best[0].loss}
        else:
            found["solutions"] = [{"params": dict(each.params), "values": list(each.losses or ())} for each in best]
        OmegaConf.save(OmegaConf.create(found), folder / "optimization_results.yaml")
