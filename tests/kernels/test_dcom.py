"""DCoM against its definition."""

import pytest
import torch

from autoal.errors import AutoALError
from autoal.kernels import dcom, probcover

from .coverage_oracles import plain_dcom, unit
from .test_herding import clusters


@pytest.mark.parametrize("switch", [0.3, 0.6, 0.9])
def test_identical_to_the_definition(switch):
    x, labelled = clusters(300, 4), clusters(20, 4, seed=1)
    g = torch.Generator().manual_seed(0)
    logits = 2 * x[:, :3] + torch.randn(300, 3, generator=g, dtype=torch.float64)
    targets = labelled[:, :3].argmax(1)
    picks = dcom(x, logits, 50, labelled, targets, switch=switch, steepness=10.0)
    p = torch.softmax(logits, 1).numpy()
    want, competence = plain_dcom(unit(x), p, unit(labelled), targets.numpy(), 50, switch=switch, steepness=10.0)
    assert picks.log["competence"] == competence
    assert picks.index.tolist() == want
    assert (picks.score[1:] <= picks.score[:-1] + 1e-9).all()


def test_without_labels_it_is_probcover():
    x = clusters(100, 4)
    cold = dcom(x, torch.zeros(100, 3), 10, None, None, radius=0.6)
    assert cold.index.tolist() == probcover(x, 10, 0.6).index.tolist()


def test_knowing_all_it_follows_the_margin():
    x = clusters(100, 4, groups=1, spread=0.01)
    logits = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    picks = dcom(x, logits, 10, x[:50], logits[:50].argmax(1), switch=0.1)
    order = (logits[:, 0] - logits[:, 1]).abs().argsort()
    assert picks.log["competence"] == 1
    assert picks.index.tolist() == order[:10].tolist()


def test_errors():
    x = clusters(10, 2)
    with pytest.raises(AutoALError, match="radius=0"):
        dcom(x, torch.zeros(10, 2), 2, None, None, radius=0.0)
    with pytest.raises(AutoALError, match=r"targets has shape \(2,\)"):
        dcom(x, torch.zeros(10, 2), 2, x[:3], torch.zeros(2, dtype=torch.int64))
