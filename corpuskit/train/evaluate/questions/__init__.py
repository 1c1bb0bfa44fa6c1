"""Questions from files: how a task file is written, what its questions are, and how a model answers them."""
