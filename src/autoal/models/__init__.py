"""Backbones, and the classifier that puts a linear head on one."""
