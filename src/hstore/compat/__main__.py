"""`python -m hstore.compat SCRIPT`."""

from hstore.cli.compat import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
