"""The build: a pipeline cut into steps, its tasks, and what drives them."""
