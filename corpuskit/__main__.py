"""``python -m corpuskit``: the same as the ``corpuskit`` command."""

from corpuskit.cli.main import main

if __name__ == "__main__":
    main()
