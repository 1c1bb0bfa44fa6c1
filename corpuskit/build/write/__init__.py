"""What is made from the kept documents: the tokenizer, encoded parts, shards."""
