"""`python -m common`: the digits, a person's own pictures, and what a network has learnt."""

import sys

from common.cli import main

sys.exit(main())
