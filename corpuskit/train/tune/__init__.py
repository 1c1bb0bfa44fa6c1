"""What a model can be fine-tuned for: how data of each kind become examples, and what is learnt from them."""
