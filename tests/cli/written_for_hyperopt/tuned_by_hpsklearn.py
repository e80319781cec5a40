"""hyperopt-sklearn as its own documentation shows it, on a data set that comes with scikit-learn."""

import sys

import hyperopt
import numpy as np
from hpsklearn import HyperoptEstimator, gaussian_nb, k_neighbors_classifier, pca, standard_scaler, svc
from hyperopt import hp, tpe
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

if __name__ == "__main__":
    X, y = load_iris(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    estimator = HyperoptEstimator(
        classifier=hp.choice("kind", [svc("svc"), k_neighbors_classifier("knn"), gaussian_nb("nb")]),
        preprocessing=hp.choice("before", [[standard_scaler("scaled")], [pca("reduced")], []]),
        algo=tpe.suggest,
        max_evals=6,
        trial_timeout=60,
        seed=np.random.default_rng(0),
        verbose=False,
    )
    estimator.fit(X_train, y_train)
    print(hyperopt.__file__, sys.modules["hpsklearn"].__file__)
    print(type(estimator.trials).__module__, len(estimator.trials), type(estimator.best_model()["learner"]).__name__)
    print(estimator.score(X_test, y_test))
