"""Optimizers and their guard."""
