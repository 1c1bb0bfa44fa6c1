"""What is decided between two passes: who stays, who goes, and on which side of the split."""
