"""What published implementations get wrong, where no kernel's own test pins that ours does not."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from autoal import kernels

from .test_contract import BATCH
from .test_herding import clusters

G = torch.Generator


class Largest(TorchDispatchMode):
    """Remembers the size of the largest tensor that was made."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().nbytes() > 0:
                self.numbers = max(self.numbers, tensor.untyped_storage().nbytes() // tensor.element_size())
        return out


N, DIM, CLASSES, PICKS = 2500, 8, 5, 4
X, LOGITS = clusters(N, DIM, dtype=torch.float32), clusters(N, CLASSES, seed=1, dtype=torch.float32)
KNOWN, KNOWN_LOGITS, TARGETS = X[:20] + 0.1, LOGITS[:20], torch.arange(20) % CLASSES
MC = torch.stack([LOGITS, LOGITS.flip(1)])
HEAD = (torch.randn(CLASSES, DIM, generator=G().manual_seed(0)), torch.zeros(CLASSES))

LARGE = {
    "herding": lambda: kernels.herding(X, PICKS, KNOWN),
    "herding_targets": lambda: kernels.herding(X, PICKS, KNOWN, targets=700, generator=G()),
    "probcover": lambda: kernels.probcover(X, PICKS, 0.5, KNOWN),
    "pure_radius": lambda: kernels.pure_radius(X, torch.arange(N) % 5),
    "dcom": lambda: kernels.dcom(X, LOGITS, PICKS, KNOWN, TARGETS),
    "typiclust": lambda: kernels.typiclust(X, PICKS, G(), KNOWN),
    "activeft": lambda: kernels.activeft(X, PICKS, G(), KNOWN, steps=2),
    "flcg": lambda: kernels.flcg(X, PICKS, KNOWN),
    "flqmi": lambda: kernels.flqmi(X, KNOWN, PICKS),
    "bait": lambda: kernels.bait(X, LOGITS, PICKS, KNOWN, KNOWN_LOGITS),
    "bait_full": lambda: kernels.bait(X, LOGITS, PICKS, KNOWN, KNOWN_LOGITS, form="full"),
    "cal": lambda: kernels.cal(X, LOGITS, KNOWN, KNOWN_LOGITS),
    "clue": lambda: kernels.clue(X, LOGITS, PICKS, G()),
    "falcun": lambda: kernels.falcun(LOGITS, PICKS, G()),
    "dropquery": lambda: kernels.dropquery(X, LOGITS, *HEAD, PICKS, 0, G()),
    "noise_stability": lambda: kernels.noise_stability(X, *HEAD, PICKS, G(), draws=2),
    "ldm_s": lambda: kernels.ldm_s(X, *HEAD, PICKS, G(), draws=2),
    "micro_clusters": lambda: kernels.average_linkage(X, G(), exact_limit=100, micro_clusters=50),
    "epig": lambda: kernels.epig(MC, MC[:, :50]),
    "batchbald": lambda: kernels.batchbald(MC, PICKS, G(), configurations=64),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_nothing_of_the_size_of_all_pairs_is_made(name, monkeypatch):
    # Two N x N temporaries per pick, a dense similarity matrix, N x B logits: what published versions hold.
    monkeypatch.setattr("autoal.kernels.checks._BLOCK_BYTES", 1 << 20)
    with Largest() as largest:
        LARGE[name]()
    assert largest.numbers < N * N / 4


def test_dcom_sees_the_last_rows():
    # The rows behind the last full block of 700 had no neighbours.
    x = 5 * torch.randn(1500, 3, generator=G().manual_seed(0))
    x[1400:] = torch.tensor([0.0, 1.0, 0.0])
    picks = kernels.dcom(x, torch.zeros(1500, 2), 1, x[:1], torch.zeros(1, dtype=torch.int64), radius=0.05)
    unit = torch.nn.functional.normalize(x, dim=1)
    assert float((unit[picks.index[0]] - unit[1499]).norm()) < picks.log["mean_radius"] + 1e-6


def test_activeft_keeps_away_from_what_is_labelled():
    # The published objective knows nothing of labels and buys the same mode again.
    around = clusters(300, 6, groups=1, spread=0.05)
    both = torch.cat([around, -around[:60]])
    for seed in range(3):
        picks = kernels.activeft(both, 1, G().manual_seed(seed), labelled=around[:5], steps=60, lr=0.05)
        assert int(picks.index[0]) >= 300


def test_labelled_samples_are_centres_and_no_targets():
    # Of the public versions one counts labelled samples among the targets: with weights that is another batch.
    weights = torch.rand(N, generator=G().manual_seed(3))
    every = torch.cat([X, KNOWN])
    alone = kernels.herding(X, 12, KNOWN, weights)
    padded = kernels.herding(every, 12, KNOWN, torch.cat([weights, torch.zeros(20)]))
    assert alone.index.tolist() == padded.index.tolist()


def test_facility_location_is_one_function_under_two_names():
    assert kernels.flcg(X[:400], 30).index.tolist() == kernels.herding(X[:400], 30, kernel="cosine").index.tolist()


FEW = [name for name in BATCH if name not in ("bait_top2", "bait_full", "alfamix_alpha_opt")]


@pytest.mark.parametrize("name", FEW)
def test_a_thousand_classes_and_ten_labels(name):
    g = G().manual_seed(0)
    logits, x = torch.randn(30, 1000, generator=g), torch.randn(30, 4, generator=g)
    side = {"x": torch.randn(10, 4, generator=g), "logits": torch.randn(10, 1000, generator=g)}
    picks = BATCH[name](logits, x, 10, G().manual_seed(0), side)
    assert len(set(picks.index.tolist())) == 10
    assert torch.isfinite(picks.score).all()
