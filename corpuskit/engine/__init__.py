"""Engines: who runs the tasks of a build."""
