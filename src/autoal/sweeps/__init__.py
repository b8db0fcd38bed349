"""Cells of a sweep: which are finished, and running one in a process of its own."""
