"""The command `speechnet`: not there yet, and it says so."""

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Say that this release cannot classify speech; exit status 1."""
    print(
        "speechnet: this release holds no speech network yet; boardnet and common are ready to use",
        file=sys.stderr,
    )
    return 1
