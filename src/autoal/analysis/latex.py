"""LaTeX tables (booktabs) of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autoal.analysis.pairwise import PenaltyMatrix
from autoal.analysis.results import SettingResult
from autoal.analysis.stats import MIN_TEST

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


def result_latex(results: Sequence[SettingResult], metric: str, what: str, alpha: float = 0.05) -> str:
    """Strategies as rows, settings as columns: mean and standard deviation in percent.

    The best mean of a column is bold. Underlined are strategies that the corrected paired t-test cannot tell
    from it. A strategy that shares fewer than :data:`~autoal.analysis.stats.MIN_TEST` seeds with the best is not
    underlined, because so few seeds hardly tell anything from anything; the caption says so.

    Args:
        results: The settings.
        metric: ``aubc`` or ``final_acc``.
        what: What the numbers are, the beginning of the caption, e.g. ``"AUBC"``.
        alpha: Error level.

    Returns:
        A ``table`` environment that needs the package booktabs.
    """
    few = False
    names = sorted({s.name for r in results for s in r.strategies}, key=lambda n: (n.casefold(), n))
    cells = {name: [_DASH] * len(results) for name in names}
    for column, result in enumerate(results):
        values = {s.name: s.aubc if metric == "aubc" else s.final for s in result.strategies}
        best = max(values, key=lambda name: values[name][0])
        tied, untested = _against(result, metric, best, alpha)
        few = few or untested
        for name, (mean, sd, _, _) in values.items():
            text = f"{100 * mean:.2f}"
            if name == best:
                text = rf"\textbf{{{text}}}"
            elif name in tied:
                text = rf"\underline{{{text}}}"
            spread = rf" {{\scriptsize$\pm${100 * sd:.2f}}}" if math.isfinite(sd) else ""
            cells[name][column] = text + spread
    heads = " & ".join(escape(r.setting.label) for r in results)
    body = "\n".join(f"{escape(name)} & {' & '.join(row)} \\\\" for name, row in cells.items())
    caption = f"{what} (\\%), mean $\\pm$ standard deviation over seeds. Bold: best mean"
    if r"\underline" in body:
        test = rf"(paired $t$-test, Holm, $p \geq {alpha:g}$)"
        caption += f"; underlined: not significantly different from it {test}"
    caption += "."
    if few:
        caption += f" Fewer than {MIN_TEST} seeds in common with the best: too few for a test, so no line."
    return _table("l" + "c" * len(results), f"Strategy & {heads}", body, caption, f"tab:{metric}")


_DASH = "--"


def _against(result: SettingResult, metric: str, best: str, alpha: float) -> tuple[set[str], bool]:
    """Return the strategies that a test can't tell from the best, and whether any has too few seeds for one."""
    pairs = [p for p in result.pairs if p.metric == metric and best in (p.first, p.second)]
    tested = [p for p in pairs if p.result.n >= MIN_TEST]
    tied = {p.second if p.first == best else p.first for p in tested if p.verdict(alpha) == "tie"}
    return tied, len(tested) < len(pairs)


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
