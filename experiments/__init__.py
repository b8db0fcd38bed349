"""Studies and benchmarks, run as modules from the checkout's root: ``python -m experiments.digits_study.run``."""
