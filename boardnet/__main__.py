"""`python -m boardnet` is the command `boardnet`."""

import sys

from boardnet.cli import main

sys.exit(main())
