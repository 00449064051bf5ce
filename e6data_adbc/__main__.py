"""`python -m e6data_adbc`: the command line without its script."""

import sys

from e6data_adbc.cli import main

if __name__ == "__main__":
    sys.exit(main())
