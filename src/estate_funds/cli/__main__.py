"""python -m estate_funds.cli."""

from estate_funds.cli import main

main()
