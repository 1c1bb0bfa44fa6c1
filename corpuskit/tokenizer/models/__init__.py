"""Models beside byte-pair encoding: whole words, WordPiece, Unigram."""
