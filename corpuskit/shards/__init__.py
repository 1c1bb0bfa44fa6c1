"""The shard format: writing, reading, shuffling and batching lines of tokens. NumPy only."""
