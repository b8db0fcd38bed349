from __future__ import annotations

from pathlib import Path

from PIL import Image

from autoal.search.plot import plot_weights, series, weights_figure
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


def test_every_point_lies_where_it_was_measured() -> None:
    shares = {"margin": (0.75, 0.99), "entropy": (0.25, 0.01), "kmeans": (1e-9, 0.0)}
    rows = [
        {"n_labeled": size}
        | {f"weight_{name}": weight for name, (weight, _) in shares.items()}
        | {f"vote_share_{name}": vote for name, (_, vote) in shares.items()}
        for size in (40, 60, 100)
    ]
    prior = {"margin": 0.5, "entropy": 0.25, "kmeans": 0.25}
    figure = weights_figure(rows, prior)
    assert figure is not None
    for ax, index in zip(figure.axes, (0, 1), strict=True):
        low, high = ax.get_ylim()
        drawn = {str(line.get_label()): line for line in ax.get_lines()}
        for name, values in shares.items():
            assert list(drawn[name].get_xdata()) == [40, 60, 100]
            assert list(drawn[name].get_ydata()) == [values[index]] * 3
            assert low <= values[index] <= high
        # Ticks are sizes that were measured, labelled or not.
        assert set(ax.get_xticks()) <= {40, 60, 100}
        assert set(ax.get_xticks(minor=True)) <= {40, 60, 100}
        assert not any("≤" in text.get_text() for text in ax.get_yticklabels())
    # The prior: a dashed line of its candidate's colour, one in grey where candidates share it; none among votes.
    left, right = ([line for line in ax.get_lines() if line.get_linestyle() == "--"] for ax in figure.axes)
    heights = {line.get_ydata()[0]: line.get_color() for line in left if len(line.get_ydata())}
    margin = next(line for line in figure.axes[0].get_lines() if line.get_label() == "margin")
    assert heights == {0.5: margin.get_color(), 0.25: "#777777"}
    assert right == []
    assert any("prior" in text.get_text() for text in figure.legends[0].get_texts())


def test_columns_summarise_weights_and_votes() -> None:
    import torch

    weights = torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]])
    votes = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    columns = weight_columns(["a", "b"], weights, votes, torch.tensor([0, 1]))
    assert columns["weight_a"] == 0.75  # over the two nominated samples
    assert columns["vote_share_a"] == 0.75
    assert columns["vote_share_b"] == 0.25
    assert 0 < columns["entropy_of_weights"] < 0.7
