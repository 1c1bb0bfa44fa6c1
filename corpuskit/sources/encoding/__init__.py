"""From bytes to text: which encoding a file is in, also where its declaration is wrong."""
