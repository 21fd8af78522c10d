"""`python -m digits_edge.cli` is `digits-edge`."""

from . import main

main()
