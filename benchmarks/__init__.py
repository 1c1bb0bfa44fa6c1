"""Benchmarks: one module for each hot path or promise, run as ``python -m benchmarks.NAME``."""
