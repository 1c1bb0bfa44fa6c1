"""Normalization: stages that repair and unify text."""
