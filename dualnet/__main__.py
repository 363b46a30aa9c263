"""``python -m dualnet``."""

import sys

from dualnet.cli import main

if __name__ == "__main__":
    sys.exit(main())
