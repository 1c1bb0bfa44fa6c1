"""A pass over the text of one part: documents in, stages, scans and what is set aside."""
