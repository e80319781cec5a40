"""Whatever is wrong with a URL, and wherever its password ended up, no message, repr or traceback shows it."""

import contextlib
import io
import logging
import traceback
from urllib.parse import quote_plus

import pytest
from histories import begin
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from tests.drawing import examples

import hstore
from hstore.cli.app import run
from hstore.store.errors import HstoreError, InvalidName
from hstore.store.messages import ROOT
from hstore.store.url import parse, parse_url, redacted, shown_path

SECRET = "hunter2SECRET"
ODD = [
    f"mongodb://u:{SECRET}@127.0.0.1:1/lab", f"mongodb://u:{SECRET}@127.0.0.1:1", f"mongodb://u:{SECRET}@/lab",
    f"mongodb://u:pa/{SECRET}@127.0.0.1:1/lab", f"mongodb://u:p@{SECRET}@127.0.0.1:1/lab",
    f"mongodb://:{SECRET}@127.0.0.1:1/lab", f"mongodb://u:{SECRET}@127.0.0.1:x/lab",
    f"mongodb://u:{SECRET}%zz@127.0.0.1/lab", f"mongodb://127.0.0.1:1/lab?tlsCertificateKeyFilePassword={SECRET}",
    f"mongodb://127.0.0.1:1/lab?tls=true&tlsCertificateKeyFile=/none&tlsCertificateKeyFilePassword={SECRET}",
    f"mongodb://u@127.0.0.1:1/lab?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:{SECRET}",
    f"mongo://u:{SECRET}@127.0.0.1:1/lab/jobs", f"mongo://u:{SECRET}@127.0.0.1:1/lab",
    f"mongo+ssh://u:{SECRET}@h:1/lab/jobs", f"postgres://u:{SECRET}@h/lab", f"u:{SECRET}@127.0.0.1/lab",
    f"mongodb:/u:{SECRET}@127.0.0.1/lab", f"mongodb//u:{SECRET}@h/lab", f"MONGODB://u:{SECRET}@127.0.0.1:1/lab",
    f" mongodb://u:{SECRET}@127.0.0.1:1/lab", f"mongodb://u:\n{SECRET}@127.0.0.1:1/lab",
    f"mongodb://{SECRET}@127.0.0.1:1/lab?authMechanism=PLAIN", f"http://x?password={SECRET}",
    f"mongodb://u:{SECRET}@127.0.0.1:1/la b", f"mongodb://u:{SECRET}@127.0.0.1:1/lab?foo=bar",
    f"mongodb://u:{SECRET}@127.0.0.1:1/lab?w=x&readPreference=bad", f"mongodb://u%40x:{SECRET}@127.0.0.1:1/lab",
    f"mongodb://u:{SECRET}@127.0.0.1:1,127.0.0.1:2/lab?replicaSet=x", f"mongodb://127.0.0.1:1/{SECRET}@lab",
    f"mongodb://u:{SECRET}@h@127.0.0.1", f"mongodb://u:{SECRET}", f"mongodb://u:{SECRET}#@h/lab",
    f"mongodb://u;{SECRET}@h/lab", SECRET, f"mongodb://u:{SECRET}@[::1/lab", f"mongodb://h/lab?{SECRET}",
    f"mongodb://h/lab?{SECRET}=1", f"mongodb://{SECRET}:x@h/lab", f"mongodb://h:1/lab?authSource=a&password={SECRET}",
    f"mongodb+srv://u:{SECRET}@h:1/lab", f"{SECRET}://h/lab", f"ssh+mongo://{SECRET}",
    f"mongo://u/{SECRET}/@hlab", f"mongo://u/lab/{SECRET}@h", f"mongo://u/{SECRET}@h:1/lab/jobs",
]  # fmt: skip


def everything_said(url: str) -> str:
    """Return all that parsing and opening *url* says, to people and to programs."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger(ROOT).addHandler(handler)
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            for attempt in (
                lambda: repr(parse(url)).replace(parse(url).uri, ""), lambda: redacted(url),
                lambda: parse_url(url) and "", lambda: hstore.open(url, patience=0.0),
            ):  # fmt: skip
                try:
                    print(attempt())
                except HstoreError as error:
                    print(error, repr(error), error.hint, vars(error))
                    traceback.print_exception(error)
                    context = error.__context__
                    while context is not None:
                        print(repr(context))
                        context = context.__context__
    finally:
        logging.getLogger(ROOT).removeHandler(handler)
    return said.getvalue()


@pytest.mark.parametrize("url", [url for url in ODD if "+srv" not in url])
def test_a_password_is_shown_nowhere_however_wrong_the_url_is(url: str) -> None:
    if "mongodb://" in url and "127.0.0.1" in url:
        url += "&serverSelectionTimeoutMS=1" if "?" in url else ""
    assert SECRET not in everything_said(url)


def pieces(*values: str) -> SearchStrategy[str]:
    return st.sampled_from(values)


PASSWORDS = st.builds(
    lambda before, after, escaped: quote_plus(before + SECRET + after) if escaped else before + SECRET + after,
    st.text(alphabet="ab/?#[]@:%& \n\x1b;,.=+", max_size=3), st.text(alphabet="ab/?#[]@:%& \n\x1b;,.=+", max_size=3),
    st.booleans(),
)  # fmt: skip
URLS = st.builds(
    "".join,
    st.tuples(
        pieces("mongodb", "mongo", "mongo+ssh", "ssh+mongo", "MONGODB", "http", "mongodb+srv", ""),
        pieces("://", ":/", "//", ":", ""), pieces("", "u", "u:", ":", "u%40:", "u;"), PASSWORDS,
        pieces("@", "@@", "@h@"), pieces("h", "h:1", "h:x", "127.0.0.1:1,h", "[::1]", "[::1", "", "h:99999"),
        pieces("/", "", "//"), pieces("lab", "lab/jobs", "", "a.b"),
        pieces("", "?foo=1", "?w=x", "?authSource=a", "?", "&x"),
    ),
)  # fmt: skip


@settings(max_examples=examples(120), deadline=None)
@given(url=URLS)
def test_a_password_of_any_shape_is_shown_nowhere(url: str) -> None:
    for attempt in (lambda: parse(url), lambda: parse_url(url) and None):
        try:
            place = attempt()
        except HstoreError as error:
            said = "".join(traceback.format_exception(error)) + repr(vars(error)) + repr(error.__context__)
        else:
            said = "" if place is None else repr(place) + place.shown
        assert SECRET not in said + redacted(url)


@pytest.mark.parametrize(
    "url",
    [f"mongodb://u:{SECRET}@h/lab", f"mongodb://h/lab?tlsCertificateKeyFilePassword={SECRET}", f"x://u:{SECRET}@h"],
)
def test_a_url_in_the_place_of_a_name_is_refused_and_not_shown(
    url: str, mongo_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with hstore.open(mongo_url) as store:
        begin(store, "e")
        with pytest.raises(InvalidName, match="this is a URL") as refused:
            store.fork("e", url)
        assert SECRET not in str(refused.value)
    calls = (["show"], ["verify"], ["worker", "--burst"], ["rm", "--yes"], ["diff", "e"], ["fork", "e"], ["ask"])
    for call in (*calls, ["import", "--from-optuna"], ["export", "e", "--to", "optuna"]):
        assert run(["--store", mongo_url, *call, url]) in (1, 2), call
        printed = capfd.readouterr()
        assert SECRET not in printed.out + printed.err, call


@pytest.mark.parametrize("url", [f"u:{SECRET}@h:1/lab", f"mongodb:/u:{SECRET}@h/lab", f"sqlite://u:{SECRET}@h/lab"])
def test_a_url_with_a_mistake_in_it_is_not_shown_as_the_name_of_a_file(
    url: str, mongo_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with hstore.open(mongo_url) as store:
        begin(store, "e")
    for call in ("import --from-hyperopt", "import --from-optuna", "export e --to optuna"):
        assert run(["--store", mongo_url, *call.split(), url]) in (1, 2, 3), call
        printed = capfd.readouterr()
        assert SECRET not in printed.out + printed.err, call
    assert shown_path("/tmp/a@b.pkl") == "/tmp/a@b.pkl"
