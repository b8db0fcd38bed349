"""ALFA-Mix's published settings."""
