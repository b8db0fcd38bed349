"""Every strategy on the embedded digits."""
