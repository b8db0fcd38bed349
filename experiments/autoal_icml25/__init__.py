"""AutoAL's published experiments."""
