"""BAIT: the batch whose Fisher information covers that of the whole pool."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import Progress, check_count, check_logits, check_matrix, row_blocks
from autoal.kernels.fisher import TIE, Design, Informed, information
from autoal.kernels.precision import full_precision
from autoal.kernels.rank_one import RankOne
from autoal.kernels.ties import exp, largest, log_softmax, row_sum
from autoal.kernels.types import Picks

Form = Literal["binary", "top2", "full"]
"""Which expectation over labels the Fisher information takes."""

LARGEST_DESIGN = 4096
"""Largest C x D of the forms that keep the whole last layer: three matrices of that size in float64 are 400 MB."""

_LEAST_PRIOR = 1e-10


@full_precision()
def bait(
    embeddings: Tensor,
    logits: Tensor,
    n: int,
    labelled_embeddings: Tensor | None = None,
    labelled_logits: Tensor | None = None,
    form: Form = "binary",
    lam: float = 1.0,
    refresh: int = 200,
    progress: Progress | None = None,
) -> Picks:
    r"""Choose the batch that minimises :math:`tr(M^{-1} \bar F)`, forward greedily, then backward.

    Ash, Goel, Krishnamurthy, Kakade, *Gone Fishing: Neural Active Learning with Fisher Embeddings*, NeurIPS 2021.
    The information of a sample about the last layer is
    :math:`F_x = \sum_y p_y g_y g_y^\top = (\mathrm{diag}\,p - p p^\top) \otimes z z^\top`. From
    :math:`M_0 = \lambda I + \sum_L F_x / (|L| + n)` and :math:`F_x n / (|L| + n)` per candidate, 2n samples are
    added one by one, each lowering :math:`tr(M^{-1} \bar F)` most, and then the n that are missed least are
    removed. :math:`\bar F` is the mean over labelled and unlabelled samples. The criterion is not submodular, so
    gains of earlier picks are no bounds of later ones; all of them are brought up to date after every pick.

    Forms (Huseljic, Hahn, Herde, Rauch, Sick, *Fast Fishing*, ECML 2024): ``binary`` asks whether the predicted
    class is right, which makes F of rank one, :math:`p(1-p) z z^\top` with p the largest probability, and costs
    two matrix-vector products per pick; ``top2`` takes the expectation over the two most probable classes;
    ``full`` over all. With two classes ``binary`` is the full form (with half its ``lam``).

    Args:
        embeddings: ``(N, D)`` inputs of the last layer, not normalised.
        logits: ``(N, C)`` logits of the pool.
        n: Number of picks, 1 to N.
        labelled_embeddings: ``(L, D)`` labelled samples, or ``None``: then the design starts from the prior.
        labelled_logits: ``(L, C)``, needed with labelled embeddings.
        form: ``"binary"``, ``"top2"`` or ``"full"``; the last two need C D of at most 4096.
        lam: :math:`\lambda`, the prior's precision; the paper uses 1. Less than 1e-10 of the largest information
            of a sample is raised to that: float64 cannot tell such a prior from none.
        refresh: Picks after which the running sums are computed afresh; changes only rounding.
        progress: Called with (steps made, steps in all), adding and removing.

    Returns:
        The picks in the order in which they were added; the score is what :math:`tr(M^{-1} \bar F)` lost then. Of
        equal gains the smaller margin is preferred, then the lower row. Logs ``criterion`` (its value with the
        batch), ``forward`` (samples that were added before the removal) and, for ``binary``, ``checked`` (samples
        whose gains were computed in float64 because rounding left the choice open).

    Raises:
        AutoALError: If shapes, values, n, form or lam are not usable, or C D is too large for the form.

    Example:
        >>> import torch
        >>> z = torch.tensor([[1.0, 0.0], [1.1, 0.0], [0.0, 0.5]])
        >>> sorted(bait(z, torch.zeros(3, 2), 2, lam=0.01).index.tolist())
        [1, 2]
    """
    check_logits("logits", logits)
    check_matrix("embeddings", embeddings, rows=logits.shape[0])
    check_count(n, logits.shape[0])
    if form not in get_args(Form):
        raise AutoALError(f"form='{form}' is none of {', '.join(get_args(Form))}.")
    if not 0 < lam < math.inf:
        raise AutoALError(f"lam={lam}: the prior's precision must be positive and finite.")
    if refresh < 1:
        raise AutoALError(f"refresh={refresh}: at least 1 pick must lie between two refreshes.")
    classes, dim = (1 if form == "binary" else logits.shape[1]), embeddings.shape[1]
    if form != "binary" and classes * dim > LARGEST_DESIGN:
        raise AutoALError(
            f"form='{form}' needs a matrix of C D = {classes} x {dim} = {classes * dim} columns, more than "
            f"{LARGEST_DESIGN}: use form='binary'."
        )
    factor = _factors(logits, form)
    total = information(embeddings, factor)
    labelled, known = torch.zeros_like(total), 0
    if labelled_embeddings is not None and labelled_embeddings.shape[0] > 0:
        known = labelled_embeddings.shape[0]
        if labelled_logits is None:
            raise AutoALError("labelled_embeddings were given without labelled_logits.")
        check_matrix("labelled_embeddings", labelled_embeddings, columns=dim)
        check_logits("labelled_logits", labelled_logits, rows=known, columns=logits.shape[1])
        labelled = information(labelled_embeddings, _factors(labelled_logits, form)).to(total.device)
    factor *= (n / (known + n)) ** 0.5
    lam = max(lam, _LEAST_PRIOR * _largest(embeddings, factor))
    prior = lam * torch.eye(len(total), dtype=total.dtype, device=total.device)
    target = (total + labelled) / (known + embeddings.shape[0])
    design = Design(prior + labelled / (known + n), target, lam)
    return _choose(embeddings, factor, design, logits, n, refresh, progress)


def _largest(z: Tensor, factor: Tensor) -> float:
    """The largest information of one sample, tr F_x."""
    out = 0.0
    for low, high in row_blocks(z.shape[0], 2 * z.shape[1], z.device):
        size = z[low:high].double().square().sum(1) * factor[low:high].square().sum((1, 2))
        out = max(out, float(size.max()))
    return out


class _Doubt:
    """Decides between samples of equal gain: the most unsure, then the first. Computed when first asked."""

    def __init__(self, logits: Tensor) -> None:
        self._logits = logits
        self._unsure: Tensor | None = None

    def first(self, rows: Tensor, best: bool = True) -> int:
        """The preferred one of ascending rows, or with ``best=False`` the one that is preferred least."""
        if len(rows) == 1:
            return int(rows[0])
        if self._unsure is None:
            self._unsure = _exact_margin(self._logits)
        return int(
            rows[largest(self._unsure[rows])] if best else rows.flip(0)[largest(-self._unsure[rows.flip(0)])]
        )


def _choose(
    z: Tensor, factor: Tensor, design: Design, logits: Tensor, n: int, refresh: int, progress: Progress | None
) -> Picks:
    """Add up to 2n samples, remove all but n."""
    ahead = min(2 * n, z.shape[0])
    steps = 2 * ahead - n
    log = {"forward": float(ahead)}
    one = factor.shape[1:] == (1, 1)
    pool = RankOne(z, factor.flatten(), design) if one else Informed(z, factor, design)
    free = torch.ones(z.shape[0], dtype=torch.bool, device=z.device)
    chosen, gain = torch.empty(ahead, dtype=torch.int64), torch.empty(ahead, dtype=torch.float64)
    doubt = _Doubt(logits)
    for step in range(ahead):
        if step and step % refresh == 0:
            design.refresh()
            pool.refresh()
        value = pool.gains(1.0)
        row = doubt.first(_best(value, free) if isinstance(pool, Informed) else pool.best(value, free))
        chosen[step], gain[step] = row, float(pool.gain(row) if isinstance(pool, RankOne) else value[row])
        free[row] = False
        pool.update(row, 1.0)
        if progress is not None:
            progress(step + 1, steps)
    if isinstance(pool, RankOne):
        log["checked"] = float(pool.checked)
    chosen = chosen.to(z.device)
    kept = _remove(z, factor, design, doubt, chosen, n, progress, steps)
    log["criterion"] = float((design.inverse * design.target).sum())
    return Picks(chosen[kept], gain.to(z.device)[kept], log)


def _remove(
    z: Tensor, factor: Tensor, design: Design, doubt: _Doubt, chosen: Tensor, n: int,
    progress: Progress | None, steps: int,
) -> Tensor:  # fmt: skip
    """Places of the n chosen samples that remain when the least missed ones are removed."""
    design.refresh()
    rows = torch.sort(chosen).values  # ties are decided by row, not by the order of choice
    few = Informed(z[rows], factor[rows], design)
    left = torch.ones(len(rows), dtype=torch.bool, device=z.device)
    for step in range(len(rows) - n):
        row = doubt.first(rows[_best(few.gains(-1.0), left)], best=False)
        place = int(torch.searchsorted(rows, row))
        left[place] = False
        few.update(place, -1.0)
        if progress is not None:
            progress(len(rows) + step + 1, steps)
    return left[torch.searchsorted(rows, chosen)].nonzero().squeeze(1)


def _best(value: Tensor, free: Tensor) -> Tensor:
    """The free rows of the highest value, ascending; more than one if they are equal."""
    value = value.masked_fill(~free, -torch.inf)
    top = value.max()
    return (value >= top - TIE * top.abs()).nonzero().squeeze(1)


def _exact_margin(logits: Tensor) -> Tensor:
    """:func:`autoal.kernels.margin` with the same bits for equal rows."""
    out = torch.empty(logits.shape[0], dtype=torch.float64, device=logits.device)
    for low, high in row_blocks(logits.shape[0], 12 * logits.shape[1], logits.device):
        p = exp(log_softmax(logits[low:high]))
        others = p.scatter(1, p.argmax(1, keepdim=True), 0.0)
        out[low:high] = row_sum(others) + others.amax(1)
    return out


def _factors(logits: Tensor, form: Form) -> Tensor:
    r"""The small factor R of each sample, ``(N, r, C)`` float64 (C = 1 for the binary form).

    For ``top2`` and ``full`` its rows are :math:`\sqrt{p_y} (e_y - p)`; for ``binary`` it is
    :math:`\sqrt{p (1 - p)}`, with 1 - p summed from the other probabilities so that a sure prediction keeps it.
    """
    rows, classes = logits.shape
    if form == "binary":
        out = torch.empty(rows, 1, 1, dtype=torch.float64, device=logits.device)
        for low, high in row_blocks(rows, 4 * classes, logits.device):
            p = torch.softmax(logits[low:high].double(), 1)
            top = p.amax(1)
            rest = p.scatter(1, p.argmax(1, keepdim=True), 0.0).sum(1)
            out[low:high, 0, 0] = (top * rest).sqrt()
        return out
    p = torch.softmax(logits.double(), 1)
    kept = torch.topk(p, min(2, classes), dim=1) if form == "top2" else None
    index = torch.arange(classes, device=p.device).expand(rows, -1) if kept is None else kept.indices
    share = p.gather(1, index)
    share = share / share.sum(1, keepdim=True)
    hot = torch.nn.functional.one_hot(index, classes).double()
    return share.sqrt().unsqueeze(2) * (hot - p.unsqueeze(1))
