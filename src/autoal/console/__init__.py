"""The console: how the program was called, and writing to a terminal that may go away."""
