"""Tests of :mod:`autoal.sweeps` and its launchers."""
