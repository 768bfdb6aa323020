"""Other people's traces in."""
