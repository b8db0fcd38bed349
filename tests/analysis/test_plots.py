"""The learning curve of one run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autoal.analysis.plots import plot_curve


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_draws_any_number_of_rounds(tmp_path: Path, rows: int) -> None:
    data = [
        {"round": i, "n_labeled": str(10 * i + 10), "test_acc": f"{0.1 * i}", "val_acc": ""} for i in range(rows)
    ]
    plot_curve(data, tmp_path / "new" / "curve.png", "digits / mlp / badge / seed 3")
    image = np.asarray(Image.open(tmp_path / "new" / "curve.png").convert("L"))
    assert image.shape == (546, 832)
    assert (image < 128).sum() > 100
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["curve.png"]


def test_a_failed_write_keeps_the_old_curve(tmp_path: Path) -> None:
    path = tmp_path / "curve.png"
    path.write_text("old")
    with pytest.raises(ValueError, match="could not convert"):
        plot_curve([{"n_labeled": "ten", "test_acc": "0.1"}], path, "")
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1
