"""Rules that end a search early, for `fmin(…, early_stop_fn=no_progress_loss(20))`.

The names are those of hyperopt.early_stop.
"""

from hstore.engine.hyperopt.early_stop import no_progress_loss

__all__ = ["no_progress_loss"]
