"""The loop of an agent: a model is asked, tools are called, and every one of these is a step of a run."""
