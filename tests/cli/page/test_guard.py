"""What the page answers, and to whom: token, Host, Origin, JSON, read-only, headers; hostile names stay text."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from html import escape
from html.parser import HTMLParser
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the page needs the extra: pip install 'hstore[ui]'")
pytest.importorskip("bokeh", reason="the page needs the extra: pip install 'hstore[ui]'")

from tests.cli.page.searches import HOSTILE, SCRIPT, begin_search
from tests.cli.page.serving import TOKEN, Page, new_store, served

from hstore.store.experiment import Experiment
from hstore.store.server import EmbeddedServer
from hstore.store.store import Store


@pytest.fixture(scope="module")
def shared(mongod: EmbeddedServer) -> Iterator[tuple[Store, Page]]:
    with new_store(mongod) as store, served(store) as page:
        yield store, page


@pytest.fixture
def search(shared: tuple[Store, Page]) -> Experiment:
    """A search that no other test writes to."""
    return begin_search(shared[0], f"{HOSTILE}{uuid.uuid4().hex}", [0.5, None, 0.25])


@pytest.fixture
def page(shared: tuple[Store, Page]) -> Page:
    return shared[1]


def test_only_those_who_have_the_token_are_answered(page: Page, search: Experiment) -> None:
    assert page.ask("GET", "/", {"Cookie": None}).status == 401
    assert page.ask("GET", "/", {"Cookie": f"{page.access.cookie_name}={TOKEN}"}).status == 401
    assert page.ask("GET", "/api/overview", {"Cookie": None}, token="wrong").status == 401
    assert page.ask("GET", "/static/x/page.css", {"Cookie": None}).status == 401
    assert page.ask("GET", "/api/overview", {"Cookie": None, "Authorization": "Bearer ü"}).status == 401
    assert page.ask("GET", "/api/overview", {"Cookie": None, "Authorization": f"Bearer {TOKEN}"}).status == 200
    response = page.ask("GET", "/search", {"Cookie": None}, token=TOKEN, name=search.name)
    assert response.status == 303
    assert TOKEN not in response.headers["location"]
    assert response.headers["location"].startswith("/search?name=%22%3E%3Cimg")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(response.headers["set-cookie"].split("; "))
    assert TOKEN not in response.headers["set-cookie"]
    assert (
        page.ask("GET", response.headers["location"], {"Cookie": response.headers["set-cookie"].split(";")[0]}).status
        == 200
    )


def test_an_address_with_the_token_leads_nowhere_else(page: Page) -> None:
    response = page.ask("GET", "//evil.example/", {"Cookie": None}, token=TOKEN)
    assert response.headers["location"].startswith("/")
    assert not response.headers["location"].startswith(("//", "/\\"))


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "lab.example:1", "localhost.evil.example", ""]
)
def test_a_name_that_was_rebound_to_this_machine_is_refused(page: Page, host: str) -> None:
    assert page.ask("GET", "/", {"Host": host}).status in (400, 421)
    evil = f"{host}:{page.port}" if host == "evil.example" else host
    assert page.ask("GET", "/", {"Host": evil}, token=TOKEN).status in (400, 421)


def test_the_names_of_this_machine_and_those_that_were_allowed_are_answered(page: Page) -> None:
    for host in (page.host, f"localhost:{page.port}", f"LOCALHOST:{page.port}", "lab.example"):
        assert page.ask("GET", "/", {"Host": host}).status == 200


def test_writes_come_from_the_page_itself_and_are_json(page: Page, search: Experiment) -> None:
    wanted: dict[str, Any] = {"name": search.name, "do": "pause"}
    for origin in (
        "http://evil.example",
        f"http://evil.example:{page.port}",
        "null",
        f"http://127.0.0.1:{page.port + 1}",
        None,
    ):
        assert page.act({"Origin": origin}, **wanted).status == 403
    assert page.act({"Sec-Fetch-Site": "cross-site"}, **wanted).status == 403
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None):
        assert page.act({"Content-Type": kind}, **wanted).status == 415
    assert page.act({"Cookie": None}, **wanted).status == 401
    assert page.act(why="x" * 70_000, **wanted).status == 413
    too_long = page.act(why="x" * 20_000_000, **wanted)  # what sends all of it before it reads gets an answer, too
    assert (too_long.status, too_long.data["error"]) == (413, "Send a body of at most 65536 bytes, with its length.")
    assert page.act({"Cookie": None}, why="x" * 5_000_000, **wanted).status == 401
    sent = {"Origin": f"http://{page.host}", "Content-Type": "application/json"}
    for body in ("", "x", "[" * 30_000):
        assert page.ask("POST", "/api/act", sent, body).status == 400
    assert page.get("/api/act", **wanted).status == 405
    assert not search.refresh()
    assert page.act(why=SCRIPT, **wanted).data == {"written": ["paused"], "status": "paused", "running": []}
    search.refresh()
    assert str(search.state.why).endswith(f"on the page: {SCRIPT}")


def test_each_action_is_the_event_of_its_command(page: Page, search: Experiment) -> None:
    assert page.act(name=search.name, do="stop").data["written"] == ["finished"]
    assert page.act(name=search.name, do="resume").data["written"] == ["resumed"]
    assert page.act(name=search.name, do="retry", tids=[1]).data["written"] == ["noted", "requeued"]
    assert page.act(name=search.name, do="retry", tids=[1]).status == 400
    assert page.act(name=search.name, do="retry", tids=["1"]).status == 400
    assert page.act(name=search.name, do="drop").status == 400
    assert page.act(name="nothing such", do="pause").status == 404
    search.refresh()
    assert search.state.trials[1].state == "queued"


def test_corrections_have_a_reason_and_a_person(page: Page, search: Experiment) -> None:
    name = search.name
    who: dict[str, Any] = {"person": "Ada", "why": SCRIPT}
    assert page.act(name=name, do="void", tid=2, **who).data["written"] == ["noted"]
    assert page.act(name=name, do="void", tid=2, **who).data["written"] == []
    assert page.act(name=name, do="unvoid", tid=2, **who).status == 200
    assert page.act(name=name, do="amend", tid=2, loss=0.75, **who).status == 200
    assert page.act(name=name, do="note", **who).status == 200
    assert page.act(name=name, do="tag", tid=0, person="Ada", why="baseline").status == 200
    assert page.act(name=name, do="archive", person="Ada").data["written"] == ["noted"]
    assert "Unarchive" in page.get("/search", name=name).text
    assert page.act(name=name, do="unarchive", person="Ada", why="needed again").data["written"] == ["noted"]
    search.refresh()
    assert (search.state.trials[2].loss, search.best.tid, search.state.trials[0].tags) == (0.75, 0, ("baseline",))
    notes = [*search.state.notes, *search.state.trials[2].notes]
    assert {note.person for note in notes if note.note} == {"Ada"}
    refused: list[dict[str, Any]] = [
        {"do": "void", "tid": 2, "why": ""}, {"do": "void", "why": "x"}, {"do": "amend", "tid": 2, "why": "x"},
        {"do": "amend", "tid": 2, "why": "x", "loss": "low"}, {"do": "amend", "tid": 1, "why": "x", "loss": 1},
        {"do": "note", "why": "x", "person": ["Ada"]}, {"do": "note", "tid": True, "why": "x"},
    ]  # fmt: skip
    for wrong in refused:
        assert page.act(name=name, **wrong).status == 400, wrong
    assert page.act(name=name, do="void", tid=99, **who).status == 404
    html = page.get("/trial", name=name, tid=2).text
    assert "the objective returned" in html
    assert "Ada" in html


def test_a_search_is_forked_from_the_page(shared: tuple[Store, Page], search: Experiment) -> None:
    new = f"{search.name} again"
    response = shared[1].act(name=search.name, do="fork", why=new, at="2")
    assert response.data.get("name") == new, response.text
    assert len(shared[0].experiment(new).trials) == 2
    assert shared[1].act(name=search.name, do="fork", why=new, at="1").status == 400
    assert shared[1].act(name=search.name, do="fork", why="", at="1").status in (400, 404)


def test_a_read_only_page_changes_nothing(shared: tuple[Store, Page], search: Experiment) -> None:
    with served(shared[0], is_read_only=True) as page:
        assert page.act(name=search.name, do="pause").status == 403
        response = page.get("/search", name=search.name)
        assert "read-only" in response.text
        assert 'id="pause"' not in response.text
    assert not search.refresh()


def test_every_answer_binds_the_browser(page: Page) -> None:
    asked: list[tuple[int, str, dict[str, Any]]] = [
        (200, "/", {}), (404, "/search", {"name": "nix"}), (404, "/nix", {}), (200, "/api/overview", {}),
        (404, "/api/nix", {}), (404, "/static/x/nix.js", {}), (400, "/search", {}), (405, "/api/act", {}),
    ]  # fmt: skip
    for status, path, query in asked:
        answer = page.get(path, **query)
        assert answer.status == status
        headers = answer.headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self'"
        assert "unsafe" not in headers["content-security-policy"]
        assert policy["frame-ancestors"] == "'none'"
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    first, second = (page.get("/").headers["content-security-policy"] for _ in range(2))
    assert first != second, "the nonce of styles is used twice"


def test_an_error_in_one_search_is_told_on_its_page_and_binds_the_browser_too(
    shared: tuple[Store, Page], search: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, page = shared
    assert store.database is not None
    store.database["events"].update_one({"exp": search.name, "tid": None, "ver": 0}, {"$set": {"data.generator": {}}})
    response = page.get("/api/why", name=search.name, tid=2)
    assert (response.status, "hstore" in response.data["hint"]) == (500, True)
    assert "content-security-policy" in response.headers
    assert page.get("/search", name=search.name).status == 200
    monkeypatch.setattr("hstore.cli.page.site.trial_view", broken)
    response = page.get("/trial", name=search.name, tid=0)
    assert response.status == 500
    assert "content-security-policy" in response.headers
    assert "hstore check" in response.text
    store.database["events"].delete_many({"exp": search.name})
    monkeypatch.undo()
    response = page.get("/trial", name=search.name, tid=0)
    assert (response.status, "other searches are not affected" in response.text) == (409, True)


def broken(*_: object) -> None:
    raise KeyError("an event is not what this program expects")


class Markup(HTMLParser):
    """The elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def test_hostile_names_and_texts_are_text_on_every_page(page: Page, search: Experiment) -> None:
    name = search.name
    trials: list[tuple[str, dict[str, Any]]] = [("/trial", {"name": name, "tid": tid}) for tid in (1, 2)]
    for path, query in (
        ("/search", {"name": name}),
        *trials,
        ("/compare", {"name": name}),
        ("/search", {"name": SCRIPT}),
    ):
        response = page.get(path, **query)
        for tag, attributes in Markup(response.text).elements:
            assert tag not in ("img", "b", "style")
            assert tag != "script" or str(attributes["src"]).startswith("/static/")
            assert not any(each.startswith("on") or each == "style" for each in attributes)
    assert escape(SCRIPT) in page.get("/trial", name=name, tid=1).text


def test_a_line_break_in_a_name_is_shown_as_an_escape(page: Page) -> None:
    response = page.get("/search", name="a\r\nSet-Cookie: b\u202e")
    assert response.status == 404
    assert "set-cookie" not in response.headers
    assert r"\r\nSet-Cookie: b" in response.text
    assert "\u202e" not in response.text


def test_files_outside_the_page_are_not_served(page: Page) -> None:
    for file in ("../site.py", "..%2Fsite.py", "%2e%2e/site.py", "/etc/passwd", "site.py", "bokeh.js.map"):
        assert page.get(f"/static/x/{file}").status == 404
    assert "javascript" in page.get("/static/x/bokeh.min.js").headers["content-type"]
    assert page.get("/static/x/page.css").status == 200


def test_behind_a_proxy_every_address_begins_with_its_path(shared: tuple[Store, Page]) -> None:
    with served(shared[0], root_path="/lab") as page:
        response = page.ask("GET", "/", {"Cookie": None}, token=TOKEN)
        assert response.headers["location"] == "/lab/"
        assert "Path=/lab/" in response.headers["set-cookie"]
        assert 'href="/lab/static/' in page.get("/").text


def test_an_attachment_is_a_file_and_no_page(page: Page, search: Experiment) -> None:
    from hstore.engine.evaluation.attachments import ChainAttachments

    ChainAttachments(search, 0)[f"../{SCRIPT}\n.html"] = SCRIPT
    response = page.get("/api/attachment", name=search.name, tid=0, attachment=f"../{SCRIPT}\n.html")
    assert (response.status, response.text) == (200, SCRIPT)
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"] == 'attachment; filename="__script_alert_1___script__.html"'
    assert page.get("/api/attachment", name=search.name, tid=0, attachment="nix").status == 404
