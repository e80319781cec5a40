"""Keep what an objective prints from breaking the progress bar.

The names are those of hyperopt.std_out_err_redirect_tqdm.
"""

from hstore.engine.search.progress import DummyTqdmFile, std_out_err_redirect_tqdm

__all__ = ["DummyTqdmFile", "std_out_err_redirect_tqdm"]
