"""For those who write engines, and for their tests."""
