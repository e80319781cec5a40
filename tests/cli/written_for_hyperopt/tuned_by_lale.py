"""lale's Hyperopt over a pipeline with choices, on a data set that comes with scikit-learn."""

import warnings

import hyperopt
import lale
from lale.lib.lale import Hyperopt, NoOp
from lale.lib.sklearn import PCA, DecisionTreeClassifier, KNeighborsClassifier, LogisticRegression
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

warnings.simplefilter("ignore")

if __name__ == "__main__":
    print(hyperopt.__file__, lale.__version__)
    X, y = load_iris(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    planned = (PCA | NoOp) >> (LogisticRegression | KNeighborsClassifier | DecisionTreeClassifier)
    for algo in ("tpe", "rand", "anneal"):
        search = Hyperopt(estimator=planned, algo=algo, max_evals=5, cv=3, scoring="accuracy", show_progressbar=False)
        trained = search.fit(X_train, y_train)
        trials = trained.impl._trials
        score = (trained.predict(X_test) == y_test).mean()
        print(type(trials).__module__, len(trials), set(trials.statuses()) <= {"ok", "fail"}, score > 0.5)
    print(len(trained.summary()))
