"""``python -m ringworld_analysis``."""

import sys

from ringworld_analysis.cli import main

if __name__ == "__main__":
    sys.exit(main())
