"""`python -m hstore` and the `hstore` command."""

from hstore.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
