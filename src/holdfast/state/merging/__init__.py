"""Merging what two sides made of a value."""
