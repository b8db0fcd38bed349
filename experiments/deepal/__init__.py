"""DeepAL+'s protocol."""
