"""Recipes: a pipeline as a YAML file, read, checked, and written out with all settings."""
