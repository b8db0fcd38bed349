"""Hydra launchers of AutoAL: a SLURM job per run, or a pool of processes on one machine."""
