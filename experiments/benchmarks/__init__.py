"""Kernels, data path, search, processes and reports against their peers."""
