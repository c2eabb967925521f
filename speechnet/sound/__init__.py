"""Sound: files, streams and microphones -> samples at 16 kHz -> log-mel spectrograms."""
