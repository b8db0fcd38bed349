"""Tests of the kernels: independent float64 definitions, properties, and defects seen elsewhere."""
