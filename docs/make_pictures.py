"""Makes the pictures of the page in docs/pictures: `python -m docs.make_pictures [--all FOLDER]`.

It runs real searches in a store of its own, serves them, and looks at them with Chromium. With --all it saves every
view in both themes and at two widths, to be looked at; without, the few that the documentation shows.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

PICTURES = Path(__file__).parent / "pictures"
TOKEN = "the-token-of-the-pictures"
WIDE, NARROW = (1280, 860), (420, 800)
LEAST_SECONDS, MOST_SECONDS = 0.004, 0.02
SHOWN = {
    "searches": ("page-searches", "light"), "search": ("page-search", "light"),
    "parameters": ("page-parameters", "light"),
    "run": ("page-run", "dark"), "trial": ("page-trial", "light"), "compare": ("page-compare", "dark"),
    "evidence": ("page-evidence", "light"),
}  # fmt: skip
"""The views that the documentation shows: name of the file and theme."""


def train(config: Any, ctrl: Any) -> Any:
    """Pretend to train: the loss falls by epoch towards what the parameters are worth."""
    model, rate = config["model"], config["learning_rate"]
    worth = 0.08 + 0.05 * (math.log10(rate) + 2.2) ** 2
    if model["kind"] == "forest":
        worth += 0.3 / model["depth"] + 0.02 * (model["features"] == "all")
    else:
        worth += 0.06 * abs(math.log10(model["C"]))
    if rate > 0.5:
        raise FloatingPointError("the loss is NaN after 2 epochs: the learning rate is too high")
    for epoch in range(1, 10):
        time.sleep(LEAST_SECONDS + (MOST_SECONDS - LEAST_SECONDS) * config["dropout"])
        loss = worth + 0.5 * math.exp(-epoch * (0.3 + config["dropout"] / 3))
        ctrl.report(epoch, loss)
        if ctrl.should_stop():
            break
    return loss + 0.03 * (config["dropout"] - 0.3) ** 2


def make_searches(url: str) -> None:
    """Fill the store *url* with the searches that the pictures show."""
    import hstore
    from hstore import fmin, hp

    space = {
        "model": hp.choice("model", [
            {"kind": "forest", "depth": hp.int("depth", 2, 24), "features": hp.choice("features", ["sqrt", "all"])},
            {"kind": "svm", "C": hp.log("C", 0.01, 100.0)},
        ]),
        "learning_rate": hp.log("learning_rate", 1e-4, 1.0),
        "dropout": hp.uniform("dropout", 0.0, 0.6),
    }  # fmt: skip
    how: dict[str, Any] = {"store": url, "verbose": False, "catch_eval_exceptions": True}
    fmin(train, space, max_evals=80, experiment="digits", pruner="median", rstate=1, workers=3, **how)
    fmin(train, space, algo=hstore.tpe.suggest, max_evals=60, experiment="digits-tpe", rstate=2, **how)
    fmin(train, space, algo=hstore.rand.suggest, max_evals=60, experiment="digits-random", rstate=3, **how)
    fmin(
        lambda c: [c["size"] ** 2 + 0.05 * abs(c["depth"] - 3), (1 - c["size"]) ** 2 + 0.1 / c["depth"]],
        {"size": hp.uniform("size", 0, 1), "depth": hp.int("depth", 1, 8)}, max_evals=70,
        experiment="speed and error", objectives=2, rstate=4, **how,
    )  # fmt: skip
    with hstore.open(url) as store:
        digits = store.experiment("digits")
        digits.note("the labels were cleaned on Monday", person="Ada")
        digits.tag("baseline", person="Ada")
        worst = max((trial for trial in digits.trials if trial.loss is not None), key=lambda trial: trial.loss or 0.0)
        digits.void(worst.tid, reason="trained on the test set", person="Ada")
        digits.amend(
            digits.best.tid,
            loss=(digits.best.loss or 0.0) + 0.002,
            reason="validated on the wrong split",
            person="Grace",
        )
        digits.tag("candidate", digits.best.tid, person="Grace")


@contextmanager
def served(url: str) -> Iterator[str]:
    """Serve the store *url*, and yield the address."""
    from hstore.cli.page.access import Access, hosts_of
    from hstore.cli.page.page_server import PageServer
    from hstore.store.open_store import open_store

    with open_store(url) as store, PageServer(store, host="127.0.0.1", port=0) as server:
        server.access = Access(token=TOKEN, hosts=hosts_of("127.0.0.1", server.port), port=server.port)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield server.address
        finally:
            server.stop()
            thread.join()


def open_view(tab: Any, address: str, view: str, best: int) -> None:
    """Open *view* in *tab*, and wait until all of it is drawn."""

    def go(path: str, **query: Any) -> None:
        tab.goto(f"{address}{path}?{urlencode(query, doseq=True)}")

    if view == "searches":
        go("/")
        tab.wait_for_selector(".spark path")
    elif view in ("search", "as-of"):
        go("/search", name="digits", **({"at": 40} if view == "as-of" else {}))
        tab.wait_for_selector("#history canvas")
    elif view == "pareto":
        go("/search", name="speed and error")
        tab.wait_for_selector("#pareto canvas")
    elif view == "compare":
        go("/compare", name=["digits", "digits-tpe", "digits-random"])
        tab.wait_for_selector("#edf canvas")
        tab.locator("#difference").click()
        tab.wait_for_selector("#differences tbody tr")
    elif view == "trial":
        go("/trial", name="digits", tid=best)
        tab.locator("#why summary").click()
        tab.wait_for_selector("#why-said dl")
    elif view == "failed-trial":
        go("/search", name="digits")
        tab.locator("#state").select_option("failed")
        tab.wait_for_selector("#trials .state.failed")
        tab.locator("#trials tbody a").first.click()
        tab.wait_for_selector("#error-title")
    else:
        go("/search", name="digits")
        tab.wait_for_selector("#history canvas")
        tab.locator(f"#{view} summary").click()
        if view == "evidence":
            tab.locator("#verify").click()
            tab.locator("#calibrate").click()
            tab.wait_for_selector("#verified .head")
            tab.wait_for_selector("#calibration canvas")
        else:
            tab.wait_for_selector("#slices > div:last-child canvas" if view == "parameters" else "#edf canvas")
        tab.locator(f"#{view}").scroll_into_view_if_needed()
        tab.evaluate("id => scrollTo(0, document.getElementById(id).getBoundingClientRect().top + scrollY - 20)", view)
    tab.wait_for_timeout(700)  # Bokeh has no event for "all is painted"


VIEWS = (
    "searches", "search", "as-of", "pareto", "parameters", "run", "evidence", "trial", "failed-trial", "compare",
)  # fmt: skip


def main() -> None:
    """Make the pictures."""
    from playwright.sync_api import sync_playwright

    from hstore.store.open_store import open_store

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="Every view, in both themes, at two widths.")
    folder = parser.parse_args().all
    (folder or PICTURES).mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as home:
        os.environ["HSTORE_HOME"] = home
        with open_store(None) as store:
            url = store.uri
            make_searches(url)
            best = store.experiment("digits").best.tid
            with served(url) as address, sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
                for theme in ("light", "dark"):
                    for width, height in (WIDE, NARROW) if folder else (WIDE,):
                        context = browser.new_context(
                            viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
                        )  # fmt: skip
                        tab = context.new_page()
                        tab.set_default_timeout(120_000)
                        tab.on("pageerror", lambda error: print("error on the page:", error))
                        tab.goto(f"{address}/?token={TOKEN}")
                        for view in VIEWS if folder else [v for v, (_, of) in SHOWN.items() if of == theme]:
                            open_view(tab, address, view, best)
                            if folder:
                                file = folder / f"{view}-{theme}-{width}.png"
                                tab.screenshot(path=file, full_page=True)
                            else:
                                file = PICTURES / f"{SHOWN[view][0]}.png"
                                tab.screenshot(path=file)
                                compress(file)
                            print(f"{file}: {file.stat().st_size // 1000} kB", flush=True)
                        context.close()
                browser.close()


def compress(file: Path) -> None:
    """Make the picture in *file* one of 256 colours, which screens of text and charts hardly differ from."""
    from PIL import Image

    with Image.open(file) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    main()
