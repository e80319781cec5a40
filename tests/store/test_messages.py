"""Messages go through `logging`: to a service's own handlers, else to stderr, and nowhere with verbose=False."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from hstore import fmin, hp, rand
from hstore.store.messages import Log, StderrHandler, shown_on_stderr
from hstore.store.store import Store

LOG = Log("search", experiment="digits")


class Collect(logging.Handler):
    """Keeps what it is handed."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture(params=["", "hstore"])
def configured(request: pytest.FixtureRequest) -> Iterator[Collect]:
    """A handler of a service's own, at the root or for hstore alone."""
    logger, handler = logging.getLogger(request.param), Collect()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


def test_without_handlers_messages_go_to_stderr_and_leave_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_on_stderr():
        LOG.info("one")
        with shown_on_stderr():
            LOG.warning("two")
        LOG.debug("three")
    LOG.info("four")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "hstore: one\nhstore: two\n")
    assert logging.getLogger("hstore").handlers == []
    assert logging.getLogger("hstore").level == logging.NOTSET


def test_a_service_gets_records_with_fields_and_stderr_nothing(
    configured: Collect, capsys: pytest.CaptureFixture[str]
) -> None:
    with shown_on_stderr():
        LOG.info("%s trials", 3, trial=7, worker="w1")
        LOG.info("another", experiment="iris")
    first, second = configured.records
    fields: Any = vars(first)
    assert (first.name, first.getMessage()) == ("hstore.search", "3 trials")
    assert (fields["experiment"], fields["trial"], fields["worker"]) == ("digits", 7, "w1")
    fields = vars(second)
    assert (fields["experiment"], fields["trial"], fields["worker"]) == ("iris", None, None)
    assert capsys.readouterr().err == ""


def test_a_command_prints_whatever_handlers_there_are(configured: Collect, capsys: pytest.CaptureFixture[str]) -> None:
    with shown_on_stderr(always=True):
        LOG.warning("here")
    assert capsys.readouterr().err == "hstore: here\n"
    assert len(configured.records) == 1


def test_silence_holds_for_warnings_too(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_on_stderr(False):
        LOG.warning("nothing of this")
    assert capsys.readouterr().err == ""


def test_a_message_that_cannot_be_printed_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    handler = StderrHandler()
    handler.emit(logging.LogRecord("hstore.x", logging.INFO, "", 0, "%d trials", ("three",), None))
    assert "Logging error" in capsys.readouterr().err


def odd(config: dict[str, Any]) -> dict[str, Any]:
    """Return a result with an object that no document can hold."""
    return {"status": "ok", "loss": config["x"], "odd": object()}


def test_fmin_says_nothing_unless_it_is_verbose(mongo_store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    for name, verbose in (("quiet", False), ("talks", True)):
        fmin(
            odd, {"x": hp.uniform("x", 0, 1)}, algo=rand.suggest, max_evals=1, experiment=name, store=mongo_store,
            verbose=verbose, show_progressbar=False,
        )  # fmt: skip
        printed = capsys.readouterr()
        assert printed.out == ""
        assert ("stored as its repr" in printed.err) is verbose


def test_a_service_hears_of_a_search_that_is_not_verbose(configured: Collect, mongo_store: Store) -> None:
    fmin(
        odd, {"x": hp.uniform("x", 0, 1)}, algo=rand.suggest, max_evals=1, experiment="e", store=mongo_store,
        verbose=False,
    )  # fmt: skip
    (record,) = [record for record in configured.records if record.name.startswith("hstore")]
    fields = vars(record)
    assert (record.levelname, fields["experiment"], fields["trial"]) == ("WARNING", "e", 0)
    assert "result.odd" in record.getMessage()
