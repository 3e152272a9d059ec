"""`python -m trainer.cli`: the command line, where no script of it is installed."""

import sys

from trainer.cli import main

sys.exit(main())
