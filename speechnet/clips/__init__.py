"""Clips: recordings of one word each, read, recorded or made; and recordings with labels."""
