"""hyperopt.progress: the progress bar."""

from hstore.engine.search.progress import default_callback, no_progress_callback, tqdm_progress_callback

__all__ = ["default_callback", "no_progress_callback", "tqdm_progress_callback"]
