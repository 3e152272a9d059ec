"""`python -m edge.cli`: the command line, where no script of it is installed."""

import sys

from edge.cli import main

sys.exit(main())
