"""Where commits live. contract/ says what every engine promises; the other modules keep those promises."""
