"""Training: clips and noise -> batches -> a network of the words asked for -> model files."""
