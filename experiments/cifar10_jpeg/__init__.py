"""CIFAR-10 kept as JPEG files."""
