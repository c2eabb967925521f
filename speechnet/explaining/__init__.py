"""Explaining: which moments and bands decided a word, and what the network waits for."""
