"""hyperopt.std_out_err_redirect_tqdm: printing beside a progress bar."""

from hstore.engine.search.progress import DummyTqdmFile, std_out_err_redirect_tqdm

__all__ = ["DummyTqdmFile", "std_out_err_redirect_tqdm"]
