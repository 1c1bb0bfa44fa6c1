"""Barriers that drop what repeats: ids, equal texts, near duplicates."""
