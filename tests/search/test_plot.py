from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from autoal.search.plot import plot_weights, series
from autoal.search.weigh import weight_columns

ROWS = [
    {
        "n_labeled": 40,
        "weight_margin": 0.6,
        "weight_entropy": 0.4,
        "vote_share_margin": 0.5,
        "entropy_of_weights": 1,
    },
    {"n_labeled": "60", "weight_margin": "0.7", "weight_entropy": "", "vote_share_margin": float("nan")},
    {"n_labeled": 80},
]


def test_series_reads_numbers_and_text_and_skips_what_is_missing() -> None:
    assert series(ROWS, "weight_") == {"margin": [(40.0, 0.6), (60.0, 0.7)], "entropy": [(40.0, 0.4)]}
    assert series(ROWS, "vote_share_") == {"margin": [(40.0, 0.5)]}


def test_plot_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "strategy_weights.png"
    assert plot_weights(ROWS[2:], path) is None
    assert not path.exists()
    for rows in (ROWS[:1], ROWS):
        assert plot_weights(rows, path) == path
        assert Image.open(path).size[0] > 500
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_nothing_lies_outside_the_axes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    drawn = []
    legend = Figure.legend
    monkeypatch.setattr(Figure, "legend", lambda self, *a, **k: (drawn.append(self), legend(self, *a, **k)))
    shares = {"margin": (0.75, 0.99), "entropy": (0.25, 0.01), "kmeans": (1e-9, 0.0)}
    row = {"n_labeled": 40} | {f"weight_{name}": w for name, (w, _) in shares.items()}
    plot_weights([row | {f"vote_share_{name}": v for name, (_, v) in shares.items()}], tmp_path / "w.png")
    for ax in drawn[0].axes:
        low, high = ax.get_ylim()
        heights = [y for line in ax.get_lines() for y in line.get_ydata()]
        assert len(heights) == 3 + 2  # and the two ends of the line of equal shares
        assert all(low < y < high for y in heights)


def test_columns_summarise_weights_and_votes() -> None:
    import torch

    weights = torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]])
    votes = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    columns = weight_columns(["a", "b"], weights, votes, torch.tensor([0, 1]))
    assert columns["weight_a"] == 0.75  # over the two nominated samples
    assert columns["vote_share_a"] == 0.75
    assert columns["vote_share_b"] == 0.25
    assert 0 < columns["entropy_of_weights"] < 0.7
