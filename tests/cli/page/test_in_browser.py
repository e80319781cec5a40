"""The page in a real browser: live, steered, hostile names as text, no error on the console."""

from __future__ import annotations

import importlib.util
import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

pytest.importorskip("starlette", reason="the page needs the extra: pip install 'hstore[ui]'")
pytest.importorskip("bokeh", reason="the page needs the extra: pip install 'hstore[ui]'")
pytest.importorskip("playwright", reason="playwright drives the browser")

from playwright.sync_api import sync_playwright
from tests.cli.page.searches import HOSTILE, SCRIPT, add_documents, add_trial, begin_search
from tests.cli.page.serving import TOKEN, Page, new_store, served
from tests.waiting import until

from hstore.store.events import Queued
from hstore.store.experiment import Experiment
from hstore.store.server import EmbeddedServer
from hstore.store.store import Store

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed (Debian: apt-get install chromium)")
WAIT_MS = 60_000
_axe = importlib.util.find_spec("axe_playwright_python")
AXE = (Path(_axe.origin).parent / "axe.min.js").read_text() if _axe is not None and _axe.origin else None
BADGE = "#status"


@pytest.fixture(scope="module")
def shared(mongod: EmbeddedServer) -> Iterator[tuple[Store, Page]]:
    with new_store(mongod) as store, served(store) as page:
        yield store, page


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # Chromium refuses its sandbox to root, whom containers run tests as.
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def tab(browser: Any, shared: tuple[Store, Page]) -> Iterator[Any]:
    """A window that has opened the printed address; after the test its console must hold no error."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    tab = context.new_page()
    tab.set_default_timeout(WAIT_MS)
    complaints: list[str] = []

    def refuse(dialog: Any) -> None:
        complaints.append(dialog.message)
        dialog.dismiss()

    tab.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("dialog", refuse)
    tab.complaints = complaints
    tab.goto(address(shared[1], "/", token=TOKEN))
    yield tab
    context.close()
    assert [each for each in complaints if "GPU stall" not in each and "WebGL" not in each] == []


def no_serious_finding(tab: Any) -> None:
    """Check what is on the screen by the rules of axe-core, where that is installed."""
    if AXE is None:
        return
    # Not as a script element, which would have to be one of the page's own files.
    known = len(tab.complaints)
    tab.context.new_cdp_session(tab).send("Runtime.evaluate", {"expression": AXE})
    options = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]}
    found = tab.evaluate("options => axe.run(document, options)", options)["violations"]
    del tab.complaints[known:]  # axe sets styles, which the page forbids
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in serious] == []


def address(page: Page, path: str, **query: Any) -> str:
    return f"http://{page.host}{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")


def points(tab: Any, source: str) -> Any:
    """Return how many points a chart shows from its *source*."""
    # Playwright's own wait_for_function calls eval in the page, which the page forbids.
    return tab.evaluate("name => window.Bokeh?.documents[0]?.get_model_by_name(name)?.data.loss.length", source)


def test_a_search_is_found_watched_and_steered(tab: Any, shared: tuple[Store, Page]) -> None:
    store, page = shared
    search = begin_search(store, HOSTILE, [0.5, None, 0.25])
    tab.goto(address(page, "/"))
    assert TOKEN not in tab.url
    tab.get_by_role("link", name=HOSTILE).click()
    tab.wait_for_selector("#live:has-text('live')")
    tab.wait_for_selector("#history canvas")
    assert tab.locator("h1").inner_text() == HOSTILE
    assert tab.locator("#trials tbody tr").count() == 3

    add_trial(search, 3, 0.125)
    tab.wait_for_selector("#fact-best:has-text('0.125')")
    tab.wait_for_selector("#trials tbody tr:first-child:has-text('0.125')")
    assert SCRIPT in tab.locator("#trials tbody tr").first.inner_text()
    until(lambda: points(tab, "done") == 3)

    tab.locator("#pause").click()
    tab.locator("#ask-why").fill(SCRIPT)
    tab.locator("#ask-yes").click()
    tab.wait_for_selector(f"{BADGE}:has-text('paused')")
    search.refresh()
    assert search.state.status == "paused"
    assert str(search.state.why).endswith(SCRIPT)
    tab.locator("#resume").click()
    tab.keyboard.press("Enter")  # the question is answered from the keyboard
    tab.wait_for_selector(f"{BADGE}:has-text('open')")

    tab.keyboard.press("/")
    tab.keyboard.type("loss<0.2")
    tab.wait_for_selector("#total:has-text('1–1 of 1')")
    tab.locator("#trials tbody a").click()
    tab.wait_for_selector("h1:has-text('Trial 3')")


def test_a_trial_is_retried_and_the_event_is_in_the_log(tab: Any, shared: tuple[Store, Page]) -> None:
    store, page = shared
    search = begin_search(store, f"retried {HOSTILE}", [0.5, None])
    tab.emulate_media(color_scheme="dark")
    tab.goto(address(page, "/trial", name=search.name, tid=0))
    no_serious_finding(tab)
    tab.emulate_media(color_scheme="light")
    tab.locator("#why summary").click()
    tab.wait_for_selector("#why-said dt:has-text('it knew')")
    tab.locator("#amend").click()
    tab.locator("#ask-loss").fill("0.75")
    tab.locator("#ask-why").fill(SCRIPT)
    tab.locator("#ask-person").fill("Ada")
    no_serious_finding(tab)
    tab.locator("#ask-yes").click()
    tab.wait_for_selector(".notes:has-text('Ada')")
    assert SCRIPT in tab.locator(".notes").inner_text()
    tab.locator("#void").click()
    tab.locator("#ask-why").fill("wrong data")
    tab.locator("#ask-yes").click()
    tab.wait_for_selector("h1 + .state:has-text('void')")
    search.refresh()
    assert (search.state.trials[0].loss, search.state.trials[0].is_void) == (0.75, True)

    tab.goto(address(page, "/trial", name=search.name, tid=1))
    assert SCRIPT in tab.locator("pre").first.inner_text()
    tab.locator("#retry").click()
    tab.locator("#ask-yes").click()
    tab.wait_for_selector("h1 + .state:has-text('queued')")
    search.refresh()
    assert [event.type for event in search.chain(1)][-1] == "requeued"


def test_parts_of_a_search_are_drawn_compared_and_shown_as_of_a_decision(tab: Any, shared: tuple[Store, Page]) -> None:
    store, page = shared
    losses = [0.5, 0.25, 0.75, 0.6, 0.3, 0.4, 0.7, 0.8, 0.9, 0.2]
    searches = [begin_search(store, f"{name}{HOSTILE}", losses) for name in ("a", "b")]
    tab.goto(address(page, "/"))
    tab.wait_for_selector("#searches tbody tr")
    for theme in ("dark", "light"):
        tab.emulate_media(color_scheme=theme)
        no_serious_finding(tab)
    tab.goto(address(page, "/search", name=searches[0].name))
    for part, last in (("parameters", "#slice-1 canvas"), ("run", "#edf canvas")):
        tab.locator(f"#{part} summary").click()
        tab.wait_for_selector(last)
    for chart in ("importance", "parallel", "contour", "timeline"):
        assert tab.locator(f"#{chart} canvas").count()
    tab.locator("#evidence summary").click()
    tab.locator("#verify").click()
    tab.wait_for_selector("#verified .state:has-text('OK')")
    no_serious_finding(tab)
    assert "hstore.plot.timeline(experiment)" in tab.locator("#snippets").inner_text()

    tab.locator("#moment").focus()
    for _ in range(5):
        tab.keyboard.press("ArrowLeft")
    tab.wait_for_selector("#live:has-text('as of decision 5')")
    tab.wait_for_selector("#fact-best:has-text('0.25')")
    tab.wait_for_selector("#total:has-text('of 5')")
    assert "at=5" in tab.url
    assert not tab.locator("#pause").is_visible()
    tab.locator("#now").click()
    tab.wait_for_selector("#live:has-text('live')")
    tab.locator("#moment-when").fill("3")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#live:has-text('as of decision 3')")
    tab.locator("#fork").click()
    tab.locator("#ask-why").fill(f"fork {HOSTILE}")
    tab.locator("#ask-yes").click()
    tab.wait_for_selector("h1:has-text('fork')")
    assert len(store.experiment(f"fork {HOSTILE}").trials) == 3

    tab.goto(address(page, "/compare", name=[search.name for search in searches]))
    until(lambda: points(tab, "search1") == 10)
    tab.locator("#difference-all").check()
    tab.locator("#difference").click()
    tab.wait_for_selector("#differences tbody td")
    no_serious_finding(tab)


def test_two_windows_hear_the_same_and_find_the_server_again(tab: Any, browser: Any, mongod: EmbeddedServer) -> None:
    with new_store(mongod) as store:
        search = begin_search(store, "two windows", [0.5])
        with served(store) as page:
            tabs = [browser.new_page() for _ in range(2)]
            for each in tabs:
                each.set_default_timeout(WAIT_MS)
                each.goto(address(page, "/search", token=TOKEN, name=search.name))
                each.wait_for_selector("#live:has-text('live')")
            threading.Thread(target=queue, args=(search,)).start()
            for each in tabs:
                each.wait_for_selector("#fact-counts:has-text('1 queued')")
        for each in tabs:
            each.wait_for_selector("#live:has-text('not connected')")
        add_trial(search, 2, 0.25)
        with served(store, port=page.port):
            for each in tabs:
                each.wait_for_selector("#fact-best:has-text('0.25')")
                each.close()


@pytest.mark.parametrize("count", [8_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_of_many_trials_the_screen_gets_what_it_can_show(tab: Any, shared: tuple[Store, Page], count: int) -> None:
    store, page = shared
    search = begin_search(store, f"many {count}", [])
    rng = random.Random(0)
    add_documents(store, search.name, [rng.random() + 1000 / (n + 1000) for n in range(count)])
    received: list[int] = []
    tab.on("response", lambda answer: received.append(len(answer.body())) if "/api/columns" in answer.url else None)
    tab.goto(address(page, "/search", name=search.name))
    tab.wait_for_selector(f"#drawn:has-text('of {count:,} trials are drawn')")
    tab.wait_for_selector("#trials tbody tr")
    drawn = points(tab, "done")
    assert f"{drawn:,} of" in tab.locator("#drawn").inner_text()
    assert 1000 < drawn <= min(count * 0.9, 18_000)
    assert received[0] < 25 * drawn
    assert tab.locator("#fact-counts").inner_text() == f"{count} done"

    zoom = "ends => Bokeh.documents[0].roots()[0].x_range.setv({start: ends[0], end: ends[1]})"
    tab.evaluate(zoom, [100.5, 200.5])
    tab.wait_for_selector("#drawn:has-text('all trials of this part')")
    seen = "() => [...Bokeh.documents[0].get_model_by_name('done').data.tid].filter((tid) => 100 < tid && tid <= 200)"
    assert tab.evaluate(seen) == list(range(101, 201))
    add_trial(search, count, 0.0)
    tab.wait_for_selector(f"#fact-best:has-text('trial {count}')")
    until(lambda: count in tab.evaluate("() => [...Bokeh.documents[0].get_model_by_name('done').data.tid]"))
    assert tab.evaluate("() => Bokeh.documents[0].roots()[0].x_range.start") == 100.5, "what is looked at stays"
    tab.evaluate("() => ['x_range', 'y_range'].forEach((axis) => Bokeh.documents[0].roots()[0][axis].reset())")
    tab.wait_for_selector("#drawn:has-text('trials are drawn')")


def queue(search: Experiment) -> None:
    search.append(search.compose((Queued, 1, {"point": {}, "params": {}})))
