"""Dotted names lead to modules, to what is in them, and to what they return: in hyperopt 0.3.0 they raise."""

import math
import os.path
import pickle
from pathlib import Path
from typing import Any

import pytest

from hstore import utils
from hstore.store.errors import CannotLoad, InvalidValue


@pytest.mark.covers("utils.import_tokens", "utils.load_tokens", "utils.json_lookup")
def test_a_dotted_name_leads_to_its_object() -> None:
    assert utils.import_tokens(["os", "path", "join"]) == (os.path, ["join"])
    assert utils.import_tokens(["math"]) == (math, [])
    assert utils.load_tokens(["os", "path", "join"]) is os.path.join
    assert utils.json_lookup("pathlib.Path.cwd") == Path.cwd
    for name, said in (("nope.a", "no module nope"), ("os.nope", "no nope"), ("math.sqrt.real.x", "there is no real")):
        with pytest.raises(CannotLoad, match=said):
            utils.json_lookup(name)
    with pytest.raises(InvalidValue, match="no tokens"):
        utils.load_tokens([])


def test_a_module_that_misses_another_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "misses_another.py").write_text("import not_there_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        utils.json_lookup("misses_another.f")


@pytest.mark.covers("utils.json_call")
def test_a_function_is_called_by_its_name() -> None:
    assert utils.json_call("math.pow", (2.0, 3.0)) == 8.0
    assert utils.json_call("builtins.dict", kwargs={"a": 1}) == {"a": 1}
    with pytest.raises(InvalidValue, match="dotted name"):
        utils.json_call({"math.sqrt": 4})  # type: ignore[arg-type]


@pytest.mark.covers("utils.get_obj")
def test_a_function_is_called_with_pickled_arguments_and_others(tmp_path: Path) -> None:
    def given(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    content = pickle.dumps({"args": (1,), "kwargs": {"a": 2, "b": 3}})
    (tmp_path / "arguments").write_bytes(content)
    assert utils.get_obj(given, argfile=str(tmp_path / "arguments")) == ((1,), {"a": 2, "b": 3})
    assert utils.get_obj(given, argstr=content, args=(9,), kwargs={"a": 0}) == ((1, 9), {"a": 0, "b": 3})
    assert utils.get_obj("math.sqrt", args=(4.0,)) == 2.0
    with pytest.raises(InvalidValue, match="not both"):
        utils.get_obj(given, argfile="x", argstr=content)
    with pytest.raises(InvalidValue, match="a dict"):
        utils.get_obj(given, argstr=pickle.dumps([1]))
