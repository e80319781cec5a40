"""Run the sections of the benchmark and print one table each: `python -m bench [durable memory suggest log start]`."""

import importlib
import sys

SECTIONS = ("durable", "memory", "suggest", "log", "start")


def main() -> None:
    for name in sys.argv[1:] or SECTIONS:
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
