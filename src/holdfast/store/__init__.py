"""What users hold: a store, seen from one branch or one commit."""
