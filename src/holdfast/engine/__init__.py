"""Where commits live. contract.py says what every engine promises; the other modules keep those promises."""
