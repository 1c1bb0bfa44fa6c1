"""Project Gutenberg: from a folder of texts to books without header, licence and marks of plain text."""
