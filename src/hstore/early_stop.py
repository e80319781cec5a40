"""hyperopt.early_stop: rules that end a search early."""

from hstore.engine.hyperopt.early_stop import no_progress_loss

__all__ = ["no_progress_loss"]
