"""Directories: worked in for a while, made for a while."""

import os
import warnings
from pathlib import Path
from typing import Any

import pytest

from hstore import utils
from hstore.store.errors import InvalidValue

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from hyperopt import utils as theirs


def tree(top: Path) -> set[str]:
    return {str(path.relative_to(top)) for path in top.rglob("*")}


@pytest.mark.covers("utils.working_dir")
def test_the_working_directory_is_back_after_an_exception(tmp_path: Path) -> None:
    before = os.getcwd()
    with utils.working_dir(tmp_path):
        assert Path.cwd() == tmp_path.resolve()
    assert os.getcwd() == before
    with pytest.raises(KeyError), utils.working_dir(tmp_path):
        raise KeyError
    assert os.getcwd() == before


@pytest.mark.parametrize("how", [{}, {"erase_after": True}, {"erase_after": True, "with_sentinel": False}], ids=str)
@pytest.mark.covers("utils.temp_dir")
def test_a_directory_is_there_and_gone_as_hyperopts_is(tmp_path: Path, how: dict[str, Any]) -> None:
    seen = []
    for module, top in ((utils, tmp_path / "ours"), (theirs, tmp_path / "theirs")):
        top.mkdir()
        with utils.working_dir(top):  # hyperopt's marks absolute paths in the wrong place
            for path in ("a/b", "flat"):
                with module.temp_dir(path, **how):
                    Path(path, "file").touch()
                    seen.append(tree(top))
                seen.append(tree(top))
    assert seen[:4] == seen[4:]


@pytest.mark.covers("utils.temp_dir")
def test_what_was_there_before_stays_and_what_was_made_goes_after_an_exception(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with utils.temp_dir(tmp_path / "mine", erase_after=True):
        pass
    with pytest.raises(KeyError), utils.temp_dir(tmp_path / "mine" / "made", erase_after=True):
        raise KeyError
    assert tree(tmp_path) == {"mine"}
    with utils.temp_dir(tmp_path / "a" / "b", erase_after=True):
        (tmp_path / "a" / "others").touch()
    assert tree(tmp_path) == {"mine", "a", "a/others"}
    with pytest.raises(InvalidValue, match=r"'\.\.'"), utils.temp_dir(tmp_path / ".." / "x"):
        pass


@pytest.mark.covers("utils.path_split_all")
def test_a_path_is_split_into_its_parts() -> None:
    for path in ("a/b/../c", "a"):
        assert list(utils.path_split_all(path)) == list(theirs.path_split_all(path))
    assert list(utils.path_split_all("/a/b/")) == ["/", "a", "b"]  # hyperopt's leaves out the root, or has nothing


@pytest.mark.covers("utils.get_closest_dir")
def test_the_closest_directory_is_found_from_the_root_too(tmp_path: Path) -> None:
    (tmp_path / "has" / "in").mkdir(parents=True)
    with utils.working_dir(tmp_path):
        for path in ("has/in/z/q", "has/in/z", "nope", "nope/x"):
            assert utils.get_closest_dir(path) == theirs.get_closest_dir(path)
        with pytest.raises(InvalidValue, match="is there already"):
            utils.get_closest_dir("has/in")
    assert utils.get_closest_dir(tmp_path / "has" / "x" / "y") == (str(tmp_path / "has"), "x")  # hyperopt's: ""
