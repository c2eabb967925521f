"""boardnet: what would a strong human play here?"""
