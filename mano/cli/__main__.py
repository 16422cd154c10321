"""``python -m mano.cli``: the same as the console script."""

from __future__ import annotations

from mano.cli import main

main()
