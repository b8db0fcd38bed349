"""Strategies that train something of their own, or choose among others."""
