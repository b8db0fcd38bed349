"""Processes of one experiment: stop signals, starting the ranks and watching over them."""
