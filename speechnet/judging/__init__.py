"""Judging: how well words are heard, in clips and in recordings with labels."""
