"""Data for fine-tuning as it lies about: tables of any form, columns, labels, splits, tags and turns."""
