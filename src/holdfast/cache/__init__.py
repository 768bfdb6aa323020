"""Results of tools that are kept for some time, for whoever asks the same of the same tool again."""
