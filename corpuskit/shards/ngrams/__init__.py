"""The index of the n-grams of shards: where any sequence of tokens stands."""
