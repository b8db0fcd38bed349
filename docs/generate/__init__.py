"""What the documentation site makes of the code and of the committed results when it is built."""
