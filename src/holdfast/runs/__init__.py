"""Runs: the loop of an agent as steps that are recorded, with one owner at a time, a log, signals and timers."""
