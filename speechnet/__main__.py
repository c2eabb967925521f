"""`python -m speechnet` is the command `speechnet`."""

import sys

from speechnet.cli import main

sys.exit(main())
