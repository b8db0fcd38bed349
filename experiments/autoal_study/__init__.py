"""Does AutoAL's search pay?"""
