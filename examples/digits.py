"""Tune an SVM and a random forest on scikit-learn's digits, durably: one conditional space, sixty trials.

Run it, kill it in whatever way you like, run it again: it goes on where it was. Under two minutes on two cores.
"""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import hstore
from hstore import fmin, hp

EXPERIMENT = "digits"

SPACE = hp.choice(
    "model",
    [
        {
            "model": "svm",
            "C": hp.loguniform("svm.C", np.log(1e-2), np.log(1e3)),
            "kernel": hp.choice(
                "svm.kernel",
                [
                    {"name": "linear"},
                    {"name": "rbf", "gamma": hp.loguniform("svm.rbf.gamma", np.log(1e-5), np.log(1e0))},
                    {"name": "poly", "degree": hp.uniformint("svm.poly.degree", 2, 5)},
                ],
            ),
        },
        {
            "model": "forest",
            "n_estimators": hp.uniformint("forest.n_estimators", 20, 120),
            "max_features": hp.uniform("forest.max_features", 0.05, 0.8),
            "max_depth": hp.choice("forest.max_depth", [None, 4, 8, 16]),
            "criterion": hp.choice("forest.criterion", ["gini", "entropy"]),
        },
    ],
)


def build(config: dict[str, Any]) -> Any:
    """Return the classifier that a point of the space describes."""
    config = dict(config)
    if config.pop("model") == "forest":
        return RandomForestClassifier(random_state=0, n_jobs=2, **config)
    kernel = dict(config["kernel"])
    return make_pipeline(StandardScaler(), SVC(C=config["C"], kernel=kernel.pop("name"), **kernel))


def objective(config: dict[str, Any]) -> dict[str, Any]:
    """Return one minus the accuracy, cross-validated."""
    images, digits = load_digits(return_X_y=True)
    scores = cross_val_score(build(config), images, digits, cv=5, n_jobs=2)
    return {"status": "ok", "loss": 1 - scores.mean(), "scores": scores}


def run(command: str) -> None:
    """Show *command* and what it prints."""
    print(f"\n$ {command}", flush=True)
    words = shlex.split(command)
    if words[0] == "hstore":
        words = [sys.executable, "-m", *words]
    subprocess.run(words, check=True)


def main() -> None:
    """Search, then ask the log."""
    with hstore.open() as store:
        print(f"experiment {EXPERIMENT!r} in {store.url}", flush=True)
        fmin(
            objective, SPACE, max_evals=60, rstate=np.random.default_rng(0),
            experiment=EXPERIMENT, store=store,
        )  # fmt: skip
        best = store.experiment(EXPERIMENT).best
        print(f"\nbest: trial {best.tid}, loss {best.loss:.4f}")
        for label, value in best.params.items():
            print(f"  {label} = {value}")
        run(f"hstore show {EXPERIMENT}")
        run(f"hstore replay {EXPERIMENT}")
        run(f"hstore plot {EXPERIMENT} -o {EXPERIMENT}.png")
        picture = Path(f"{EXPERIMENT}.png").resolve()
        print(
            f"\n{picture} shows the search. Live, in a browser (source .venv/bin/activate):\n  hstore ui {EXPERIMENT}"
        )
        print(
            "\nMongoDB itself answers too (npm install -g mongosh; source .venv/bin/activate):\n"
            "  hstore db start\n"
            '  mongosh "$(hstore db uri)" --eval \'db.results.find('
            f'{{exp: "{EXPERIMENT}"}}, {{params: 1, loss: 1}}).limit(3)\'\n'
            "  hstore db stop"
        )


if __name__ == "__main__":
    main()
