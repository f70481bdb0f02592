"""python -m estate_funds.cli."""

from estate_funds.cli import main

if __name__ == "__main__":  # worker processes import this module too
    main()
