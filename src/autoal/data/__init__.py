"""Data sets, the pool over them, augmentation on the device, and the oracle that sells labels."""
