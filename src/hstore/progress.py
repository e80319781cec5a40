"""The progress bar of `fmin`.

The names are those of hyperopt.progress.
"""

from hstore.engine.search.progress import default_callback, no_progress_callback, tqdm_progress_callback

__all__ = ["default_callback", "no_progress_callback", "tqdm_progress_callback"]
