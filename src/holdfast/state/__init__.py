"""State: the values that an agent keeps, over any branch."""
