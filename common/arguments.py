"""Arguments: what the commands' numbers have to be, as types for argparse."""

import argparse


def natural(text: str) -> int:
    """A whole number from 0 on."""
    return _at_least(0, text)


def positive(text: str) -> int:
    """A whole number from 1 on."""
    return _at_least(1, text)


def seed(text: str) -> int:
    """A whole number that random numbers can start from, however it is multiplied: of 32 bits."""
    number = natural(text)
    if number >= 2**32:
        raise argparse.ArgumentTypeError(f"{number} is above {2**32 - 1}")
    return number


def share(text: str) -> float:
    """A number above 0 and at most 1."""
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 1")
    return number


def _at_least(least: int, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if number < least:
        raise argparse.ArgumentTypeError(f"{number} is below {least}")
    return number
