"""Draw the figures of the pages, docs/pictures/*.png, from real searches: `python -m docs.make_plots`. A few minutes.

The searches run on an embedded MongoDB in a folder of their own, where they stay, so that the next time only the
figures are drawn: that of `make demo` with two workers, the digits by a small network with a pruner, and by trees with
two losses.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import matplotlib

PICTURES = Path(__file__).parent / "pictures"
BYTES = 150_000
"""What a picture may take in the repository."""


def network(config: dict[str, Any], ctrl: Any) -> float:
    """Train a network for at most 27 epochs, and report its error after each."""
    from sklearn.neural_network import MLPClassifier

    from hstore.callbacks import partial_fit

    images, held_images, labels, held_labels = digits()
    model = MLPClassifier((config["width"],), learning_rate_init=config["rate"], alpha=config["alpha"], random_state=0)

    def error(fitted: Any) -> float:
        return 1 - float(fitted.score(held_images, held_labels))

    return partial_fit(ctrl, model, images, labels, loss=error, steps=27)


def tree(config: dict[str, Any]) -> list[float]:
    """Return the error of a tree, and how many leaves it has."""
    from sklearn.tree import DecisionTreeClassifier

    images, held_images, labels, held_labels = digits()
    fitted = DecisionTreeClassifier(**config, random_state=0).fit(images, labels)
    return [1 - float(fitted.score(held_images, held_labels)), float(fitted.get_n_leaves())]


def digits() -> Any:
    """Return scikit-learn's digits, a third of them held out, from 0 to 1."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    return train_test_split(images / 16, labels, test_size=0.33, random_state=0)


def search(store: Any) -> dict[str, Any]:
    """Run the searches; return their experiments by name."""
    from examples.digits import SPACE, objective

    from hstore import fmin, hp

    common: dict[str, Any] = {"rstate": 0, "store": store.url}
    fmin(objective, SPACE, max_evals=60, experiment="digits", workers=2, **common)
    nets = {"rate": hp.log("rate", 1e-4, 0.3), "alpha": hp.log("alpha", 1e-6, 1), "width": hp.int("width", 8, 128)}
    fmin(network, nets, max_evals=40, experiment="network", pruner="asha", **common)
    trees = {
        "max_depth": hp.int("max_depth", 2, 16),
        "min_samples_leaf": hp.int("min_samples_leaf", 1, 40),
        "max_features": hp.float("max_features", 0.05, 1),
    }
    fmin(tree, trees, max_evals=80, experiment="trees", objectives=2, **common)
    return {name: store.experiment(name) for name in ("digits", "network", "trees")}


def draw(experiments: dict[str, Any]) -> None:
    """Draw each figure of the search that suits it."""
    from matplotlib import pyplot
    from PIL import Image

    from hstore import plot

    of_digits = ("history", "importance", "slice", "contour", "parallel", "edf", "timeline")
    figures = [*((name, "digits") for name in of_digits), ("curves", "network"), ("pareto", "trees")]
    for name, of in figures:
        drawn = getattr(plot, name)(experiments[of], **({"log": True} if name == "history" else {}))
        figure = drawn.figure if hasattr(drawn, "figure") else drawn.flat[0].figure
        file = PICTURES / f"{name}.png"
        figure.savefig(file, dpi=100)
        pyplot.close(figure)
        with Image.open(file) as drawing:  # lines that cross in many shades take four times as much without a palette
            drawing.convert("RGB").quantize(128).save(file, optimize=True)
        size = file.stat().st_size
        print(f"{file.relative_to(PICTURES.parents[1])}: {size // 1000} kB")
        if size > BYTES:
            raise SystemExit(f"{file} has more than {BYTES // 1000} kB")


def main() -> None:
    """Search and draw."""
    matplotlib.use("Agg")
    os.environ.pop("HSTORE_URL", None)
    os.environ["HSTORE_HOME"] = str(Path(tempfile.gettempdir(), "hstore-plots"))
    import hstore

    with hstore.open() as store:
        draw(search(store))


if __name__ == "__main__":
    main()
