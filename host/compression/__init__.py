"""Compression of answers: encoders, compressed copies of static files, what the filter `compression` decides."""
