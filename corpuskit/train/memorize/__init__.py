"""What a model has learnt by heart of the corpus that it was trained on, measured against held-out text."""
