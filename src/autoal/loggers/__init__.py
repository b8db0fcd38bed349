"""Loggers, one module each, chosen by ``logger=[csv,wandb,...]``."""
