"""`python -m host`: the isapy command."""

from __future__ import annotations

from host.cli.main import main

if __name__ == "__main__":
    main()
