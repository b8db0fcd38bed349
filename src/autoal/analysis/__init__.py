"""Analysis of finished experiments: curves, paired statistics, figures and the HTML report.

Importing the package is cheap; pandas, scipy, matplotlib and plotly are imported by the modules that need
them.
"""
