"""Judging: how well words are heard, in clips and in recordings, and at which threshold."""
