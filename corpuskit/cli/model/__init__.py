"""Commands that train a model and use it."""
