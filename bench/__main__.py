"""Run the sections of the benchmark and print their tables.

`python -m bench [--quick] [durable memory suggest log heads signing start workers claims optuna]`: quick
takes workers and claims in half the time.
`python -m bench optuna`: trials per second of Optuna programs on HstoreStorage, beside its own storages.
`python -m bench scale`: what commands, searches and trials cost as a search gets long (see `bench.scale`).
`python -m bench capacity`: what workers cost a server, and how many it can serve.
`python -m bench pruning objectives`: what stopping early saves, and how well searches for two things at once do.
`python -m bench ui`: bytes and seconds until the page shows a search, and CPU of viewers, beside optuna-dashboard.
`python -m bench forged`: how many forged decisions replay finds where bits cannot be compared.
"""

import importlib
import sys

SECTIONS = ("durable", "memory", "suggest", "log", "heads", "signing", "start", "workers", "claims", "optuna")


def main() -> None:
    for name in [word for word in sys.argv[1:] if not word.startswith("-")] or SECTIONS:
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
