"""`python -m jacinth`: the same as `jacinth`."""

from jacinth.tools.cli import main

main()
