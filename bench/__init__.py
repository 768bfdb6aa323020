"""Measurements, each interleaved with its floor: the ratio of two medians of one run is what counts."""
