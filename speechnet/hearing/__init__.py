"""Hearing: a model -> the word of a clip, and the words of recordings and streams. No torch."""
