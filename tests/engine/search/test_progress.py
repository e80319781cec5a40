"""Progress bars: on stderr, on request, and never in the way of what a user's program prints."""

import importlib.util
import io
import sys
import warnings
from collections.abc import Callable

import pytest

from hstore import fmin, hp, progress
from hstore.engine.search.progress import bar_class
from hstore.std_out_err_redirect_tqdm import DummyTqdmFile, std_out_err_redirect_tqdm
from hstore.store.messages import Log, shown_on_stderr

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from hyperopt.std_out_err_redirect_tqdm import DummyTqdmFile as TheirFile


@pytest.mark.covers("progress.tqdm_progress_callback", "progress.default_callback")
def test_the_progress_bar_leaves_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = sys.stdout, sys.stderr
    with progress.default_callback(1, 5) as bar:
        assert (sys.stdout, sys.stderr) == (out, err)
        print("mine")
        bar.postfix = "best loss: 3"
        bar.update(2)
        assert (bar.n, bar.total, bar.unit) == (3, 5, "trial")
    printed = capsys.readouterr()
    assert printed.out == "mine\n"
    assert "best loss: 3" in printed.err
    assert progress.default_callback is progress.tqdm_progress_callback
    with progress.tqdm_progress_callback(0, sys.maxsize) as bar:
        assert bar.total is None


@pytest.mark.covers("progress.no_progress_callback")
def test_no_bar_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.no_progress_callback(0, 5) as bar:
        bar.postfix = "best loss: 3"
        bar.update(1)
    assert tuple(capsys.readouterr()) == ("", "")


@pytest.mark.covers("std_out_err_redirect_tqdm.std_out_err_redirect_tqdm")
def test_redirecting_for_a_bar_redirects_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = sys.stdout, sys.stderr
    with std_out_err_redirect_tqdm() as stdout:
        assert stdout is out
        assert (sys.stdout, sys.stderr) == (out, err)
        print("seen")
    assert capsys.readouterr().out == "seen\n"


@pytest.mark.covers("std_out_err_redirect_tqdm.DummyTqdmFile", "std_out_err_redirect_tqdm.DummyTqdmFile.*")
def test_lines_can_be_written_above_a_bar() -> None:
    ours, theirs = io.StringIO(), io.StringIO()
    for file, behind in ((DummyTqdmFile(ours), ours), (TheirFile(theirs), theirs)):
        print("one", file=file)
        print("\n", file=file)
        file.write("two")
        file.flush()
        assert not file.isatty()
        assert file.file is behind
    assert ours.getvalue().split() == theirs.getvalue().split() == ["one", "two"]
    mine = DummyTqdmFile(ours)
    mine.close()
    assert not ours.closed


def test_what_is_said_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_on_stderr(), progress.default_callback(0, 5):
        Log("search").info("a word")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "hstore: a word" in printed.err


def test_a_notebook_with_widgets_gets_a_bar_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import tqdm
    from tqdm.auto import tqdm as of_notebooks

    found = [bar_class()]
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found.append(bar_class())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    found.append(bar_class())
    assert found == [tqdm.tqdm, tqdm.tqdm, of_notebooks]


class GoneAway(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("make", [lambda: None, GoneAway, closed])
def test_a_search_goes_on_without_anybody_who_reads_its_bar(
    make: Callable[[], io.StringIO | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", make())
    assert fmin(lambda x: x, hp.uniform("x", 0, 1), algo="rand", max_evals=3, rstate=0)["x"] > 0
