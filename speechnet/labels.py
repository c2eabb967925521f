"""Labels: the two answers that are no word."""

UNKNOWN = "unknown"
"""Speech, but none of the words asked for."""

SILENCE = "silence"
"""No speech: quiet, or any noise."""
