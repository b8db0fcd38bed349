"""Exit statuses of the commands that deal with people, after ``sysexits.h``."""

EXIT_UNANSWERED = 75
"""Answers are missing; trying again later may help (EX_TEMPFAIL)."""
EXIT_REFUSED = 65
"""Answers that do not fit; none of them was taken (EX_DATAERR)."""
EXIT_DISPUTED = 3
"""All answers are there, and some contradict each other."""
