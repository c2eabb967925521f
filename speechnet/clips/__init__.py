"""Clips: recordings of one word each, read, recorded or made by machines."""
