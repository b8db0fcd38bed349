"""Semi-supervised training: the unlabelled pool trains too, with pseudo-labels or with a teacher's predictions."""
