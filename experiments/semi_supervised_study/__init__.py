"""Semi-supervised training and active learning: does the choice of samples still pay?"""
