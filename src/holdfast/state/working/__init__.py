"""The working copy of a state: values as Python objects over a branch, and what of them is not committed."""
