"""Networks and bandits that strategies train for themselves: pure modules and functions, no loop around them."""
