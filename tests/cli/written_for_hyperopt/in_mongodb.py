"""A search shared by MongoDB as in the documentation, its worker started from here; then a look at its jobs."""

import subprocess
import sys

import numpy as np
from hyperopt import STATUS_OK, fmin, hp, tpe
from hyperopt.mongoexp import MongoJobs, MongoTrials, as_mongo_str


def objective(x):
    return {"loss": x**2, "status": STATUS_OK, "attachments": {"half": b"half"}}


if __name__ == "__main__":
    url = as_mongo_str(sys.argv[1])
    worker = subprocess.Popen(
        [sys.executable, "-m", "hstore.cli.hyperopt_worker", f"--mongo={url}", "--exp-key=exp1", "--max-jobs=4",
         "--poll-interval=0.1"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    trials = MongoTrials(url, exp_key="exp1")
    best = fmin(
        objective, hp.uniform("x", -10, 10), algo=tpe.suggest, max_evals=4, trials=trials, verbose=False,
        rstate=np.random.default_rng(0),
    )  # fmt: skip
    worker.wait()
    trials.refresh()
    print(len(trials), [trial["state"] for trial in trials.trials], min(trials.losses()) == best["x"] ** 2)
    jobs = MongoJobs.new_from_connection_str(url)
    done = jobs.jobs_complete()[0]
    print(jobs.get_attachment(done, "half"), jobs.attachment_names(done))
    counts = len(jobs.jobs_queued()), len(jobs.jobs_running()), len(jobs.jobs_error())
    print(f"{len(jobs)} jobs, {counts[0]} queued, {counts[1]} running, {counts[2]} errors")
    print(worker.returncode)
