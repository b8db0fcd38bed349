"""LaTeX tables (booktabs) of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autoal.analysis.pairwise import PenaltyMatrix
from autoal.analysis.results import SettingResult

__all__ = ["escape", "penalty_latex", "result_latex"]

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def escape(text: str) -> str:
    """Escape what LaTeX reads as a command.

    Args:
        text: Plain text.

    Returns:
        Text to be typeset as it is.
    """
    return "".join(_SPECIAL.get(character, character) for character in text)


def result_latex(results: Sequence[SettingResult], metric: str, caption: str, alpha: float = 0.05) -> str:
    """Strategies as rows, settings as columns: mean and standard deviation in percent.

    The best mean of a column is bold. Underlined are strategies that the corrected paired t-test cannot tell
    from it; a strategy without a test against the best is not underlined.

    Args:
        results: The settings.
        metric: ``aubc`` or ``final_acc``.
        caption: Caption of the table.
        alpha: Error level.

    Returns:
        A ``table`` environment that needs the package booktabs.
    """
    names = sorted({s.name for r in results for s in r.strategies}, key=lambda n: (n.casefold(), n))
    cells = {name: [_DASH] * len(results) for name in names}
    for column, result in enumerate(results):
        values = {s.name: s.aubc if metric == "aubc" else s.final for s in result.strategies}
        best = max(values, key=lambda name: values[name][0])
        alike = _tied(result, metric, best, alpha)
        for name, (mean, sd, _, _) in values.items():
            text = f"{100 * mean:.2f}"
            if name == best:
                text = rf"\textbf{{{text}}}"
            elif name in alike:
                text = rf"\underline{{{text}}}"
            spread = rf" {{\scriptsize$\pm${100 * sd:.2f}}}" if math.isfinite(sd) else ""
            cells[name][column] = text + spread
    heads = " & ".join(escape(r.setting.label) for r in results)
    body = "\n".join(f"{escape(name)} & {' & '.join(row)} \\\\" for name, row in cells.items())
    return _table("l" + "c" * len(results), f"Strategy & {heads}", body, caption, f"tab:{metric}")


_DASH = "--"


def _tied(result: SettingResult, metric: str, best: str, alpha: float) -> set[str]:
    return {
        pair.second if pair.first == best else pair.first
        for pair in result.pairs
        if pair.metric == metric and best in (pair.first, pair.second) and pair.verdict(alpha) == "tie"
    }


def penalty_latex(matrix: PenaltyMatrix) -> str:
    """The penalty matrix with its mean penalties.

    Args:
        matrix: The matrix.

    Returns:
        A ``table`` environment that needs the package booktabs.
    """

    def cell(value: float) -> str:
        return f"{value:.2f}" if math.isfinite(value) else _DASH

    body = "\n".join(
        f"{escape(name)} & {' & '.join(map(cell, row))} \\\\"
        for name, row in zip(matrix.names, matrix.wins.tolist(), strict=True)
    )
    body += "\n\\midrule\nmean penalty & " + " & ".join(map(cell, matrix.penalty.tolist())) + " \\\\"
    heads = " & ".join(escape(name) for name in matrix.names)
    caption = (
        f"Pairwise penalty matrix, {escape(matrix.label)}: how often the row beats the column; lower columns win."
    )
    return _table("l" + "c" * len(matrix.names), f" & {heads}", body, caption, "tab:penalty")


def _table(columns: str, head: str, body: str, caption: str, label: str) -> str:
    return (
        "\\begin{table}[t]\n\\centering\n"
        f"\\caption{{{caption}}}\n\\label{{{label}}}\n"
        f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{head} \\\\\n\\midrule\n{body}\n\\bottomrule\n"
        "\\end{tabular}\n\\end{table}\n"
    )
