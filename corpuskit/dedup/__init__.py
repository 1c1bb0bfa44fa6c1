"""Deduplication: one id, one text, no near copies."""
