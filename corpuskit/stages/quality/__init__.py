"""Rules that measure documents and drop those that a model learns little from."""
