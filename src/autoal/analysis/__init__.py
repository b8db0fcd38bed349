"""Analysis of finished experiments: curves, paired statistics, figures and the HTML report.

Importing the package is cheap; pandas, scipy, and matplotlib are imported by the modules that need
them.
"""
