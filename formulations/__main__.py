"""``python -m formulations``: the command line, if the command itself is not on the path."""

from __future__ import annotations

from formulations.cli import main

if __name__ == "__main__":
    main()
