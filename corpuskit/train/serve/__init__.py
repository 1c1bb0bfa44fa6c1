"""A model behind a local address: a page to talk with it, and the interface that OpenAI's clients speak."""
