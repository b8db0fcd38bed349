"""ALFA-Mix: samples whose predicted label changes under mixing with labelled features."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from autoal.errors import AutoALError, unknown_name
from autoal.kernels.alfamix_search import (
    Flips,
    Mixing,
    caps,
    class_means,
    learned_search,
    loop_search,
    ray_search,
)
from autoal.kernels.checks import (
    Progress,
    check_count,
    check_logits,
    check_matrix,
    check_shape,
    choose_rest,
    compute_dtype,
    row_blocks,
)
from autoal.kernels.kmeans import kmeans
from autoal.kernels.precision import full_precision
from autoal.kernels.types import Picks

Mode = Literal["closed_form", "reference", "alpha_opt", "random_alpha"]


@full_precision()
def alfamix(
    embeddings: Tensor,
    logits: Tensor,
    labelled_embeddings: Tensor,
    labelled_targets: Tensor,
    head_weight: Tensor,
    head_bias: Tensor,
    n: int,
    generator: torch.Generator,
    mode: Mode = "closed_form",
    alpha_cap: float = 0.2,
    learning_rate: float = 0.1,
    learning_iterations: int = 5,
    clf_coef: float = 1.0,
    l2_coef: float = 0.01,
    max_iter: int = 300,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Picks:
    r"""Find samples that flip under feature mixing, and pick a diverse batch of them.

    Parvaneh, Abbasnejad, Teney, Haffari, van den Hengel, Shi, *Active Learning by Feature Mixing*, CVPR 2022. A
    sample is a candidate if the head's label changes somewhere on the way towards the mean of a labelled class;
    the allowed distance grows in steps of ``alpha_cap`` until there are more than ``n`` candidates. Their
    normalised embeddings are clustered into ``n`` groups, and the nearest distinct sample of each centroid is
    picked. If there are not more candidates than picks, all are taken and the rest is chosen uniformly,
    without repetition.

    Args:
        embeddings: ``(N, D)`` inputs of the linear head for the pool.
        logits: ``(N, C)`` logits of the pool; their argmax is the predicted label.
        labelled_embeddings: ``(L, D)``, L >= 1.
        labelled_targets: ``(L,)`` integer labels in [0, C).
        head_weight: ``(C, D)`` weight of the linear head.
        head_bias: ``(C,)`` bias of the linear head.
        n: Number of picks, 1 to N.
        generator: The source of randomness.
        mode: ``closed_form`` solves the published closed form exactly along a ray; ``reference`` runs it as the
            published loop over caps and classes; ``alpha_opt`` learns the mixing ratio; ``random_alpha`` tests one
            random ratio per class and cap.
        alpha_cap: First cap and step, in (0, 1]; the paper uses 0.2 with the closed form, the published program
            1/32.
        learning_rate: Step of ``alpha_opt``.
        learning_iterations: Tests per class and cap of ``alpha_opt``.
        clf_coef: Coefficient of the cross-entropy in ``alpha_opt``.
        l2_coef: Coefficient of the norm of alpha in ``alpha_opt``.
        max_iter: Largest number of k-means iterations.
        batch_size: Mini-batch size of k-means, for candidate sets too large for full iterations.
        progress: Called with (done, total) of the search, then of k-means.

    Returns:
        The picks, those that were filled in last. The score is 1 / (1 + cap at which the label flips), 0 for
        filled ones. Logs ``candidates``, ``cap`` (the last one tried), ``filled``, ``flip_cap_mean`` and
        ``flip_cap_min`` over the candidates, and what the search logs.

    Raises:
        AutoALError: If shapes, values, labels, n or options are not usable.

    Example:
        >>> import torch
        >>> head = torch.eye(2)  # class 0 where the first feature is the larger one
        >>> pool = torch.tensor([[9.0, 0.0], [1.0, 0.9], [8.0, 0.0]])
        >>> known, targets = torch.tensor([[5.0, 0.0], [0.0, 5.0]]), torch.tensor([0, 1])
        >>> generator = torch.Generator().manual_seed(0)
        >>> alfamix(pool, pool @ head.T, known, targets, head, torch.zeros(2), 1, generator).index in (0, 1)
        True
    """
    _check(embeddings, logits, labelled_embeddings, labelled_targets, head_weight, head_bias, n)
    alfamix_options(mode, alpha_cap, learning_iterations)
    dtype = compute_dtype(embeddings)
    device = embeddings.device
    anchors = class_means(labelled_embeddings, labelled_targets, head_weight.shape[0])
    mixing = Mixing(
        embeddings,
        logits.argmax(1).to(device),
        anchors.to(device=device, dtype=dtype),
        head_weight.to(device=device, dtype=dtype),
        head_bias.to(device=device, dtype=dtype),
    )
    search = _search(
        mixing, n, generator, mode, alpha_cap, learning_rate, learning_iterations, clf_coef, l2_coef, progress
    )
    candidates, cap = candidate_rows(search.cap, n, alpha_cap, exact=mode == "closed_form")
    log = {"candidates": float(candidates.numel()), "cap": cap, **search.log}
    if candidates.numel():
        flip_caps = search.cap[candidates].double()
        log |= {"flip_cap_mean": float(flip_caps.mean()), "flip_cap_min": float(flip_caps.min())}
    chosen = candidates
    if candidates.numel() > n:
        features = _unit_rows(embeddings, candidates)
        picks = kmeans(features, n, generator, max_iter=max_iter, batch_size=batch_size, progress=progress)
        chosen = candidates[picks.index]
    else:
        # Few enough to take them all: those that flip most easily first.
        chosen = candidates[torch.sort(search.cap[candidates], stable=True).indices]
    missing = n - chosen.numel()
    score = torch.zeros(n, dtype=dtype, device=device)
    score[: chosen.numel()] = 1 / (1 + search.cap[chosen].clamp(min=0))
    if missing:
        taken = torch.zeros(embeddings.shape[0], dtype=torch.bool)
        taken[chosen.cpu()] = True
        chosen = torch.cat([chosen, choose_rest(taken, missing, generator).to(device)])
    return Picks(chosen, score, {**log, "filled": float(missing)})


def alfamix_options(mode: str, alpha_cap: float, learning_iterations: int) -> None:
    """Refuse options of :func:`alfamix` that mean nothing, before any time is spent.

    Args:
        mode: Name of the search.
        alpha_cap: First cap and step.
        learning_iterations: Tests per class and cap.

    Raises:
        AutoALError: If the mode is unknown or a number is out of range.

    Example:
        >>> alfamix_options("closed_form", alpha_cap=0.2, learning_iterations=5)
    """
    if mode not in get_args(Mode):
        raise unknown_name("ALFA-Mix mode", mode, get_args(Mode))
    if not 0 < alpha_cap <= 1:
        raise AutoALError(f"alpha_cap={alpha_cap}: the step of the cap must be in (0, 1].")
    if learning_iterations < 1:
        raise AutoALError(f"learning_iterations={learning_iterations}: at least 1 is needed.")


def candidate_rows(flip_cap: Tensor, n: int, alpha_cap: float, exact: bool) -> tuple[Tensor, float]:
    """Grow the cap until more than ``n`` samples flip.

    Args:
        flip_cap: ``(N,)`` cap at which each sample flips.
        n: Number of picks.
        alpha_cap: First cap and step.
        exact: Whether ``flip_cap`` is the exact threshold (a sample flips at caps *above* it) or already the cap
            of the grid at which the flip was seen.

    Returns:
        Candidate rows in ascending order, and the last cap that was tried.
    """
    flips = torch.zeros_like(flip_cap, dtype=torch.bool)
    cap = math.nan
    for cap in caps(alpha_cap):
        flips = flip_cap < cap if exact else flip_cap <= cap
        if int(flips.sum()) > n:
            break
    return flips.nonzero().squeeze(1), cap


def _search(
    mixing: Mixing,
    n: int,
    generator: torch.Generator,
    mode: Mode,
    alpha_cap: float,
    learning_rate: float,
    learning_iterations: int,
    clf_coef: float,
    l2_coef: float,
    progress: Progress | None,
) -> Flips:
    """Run the search that the mode names."""
    if mode == "closed_form":
        return ray_search(mixing, progress)
    if mode == "reference":
        return loop_search(mixing, n, alpha_cap, progress)
    iterations = learning_iterations if mode == "alpha_opt" else 1
    return learned_search(mixing, n, generator, alpha_cap, iterations, learning_rate, clf_coef, l2_coef, progress)


def _unit_rows(embeddings: Tensor, index: Tensor) -> Tensor:
    """Chosen rows scaled to length 1, in storage precision; a zero row stays zero."""
    out = torch.empty(index.numel(), embeddings.shape[1], dtype=embeddings.dtype, device=embeddings.device)
    dtype = compute_dtype(embeddings)
    for low, high in row_blocks(index.numel(), 2 * embeddings.shape[1], embeddings.device):
        block = embeddings[index[low:high]].to(dtype)
        out[low:high] = torch.nn.functional.normalize(block, dim=1).to(out.dtype)
    return out


def _check(
    embeddings: Tensor,
    logits: Tensor,
    labelled_embeddings: Tensor,
    labelled_targets: Tensor,
    head_weight: Tensor,
    head_bias: Tensor,
    n: int,
) -> None:
    """Refuse inputs that do not fit together."""
    check_matrix("embeddings", embeddings)
    rows, width = embeddings.shape
    check_logits("logits", logits, rows=rows)
    classes = logits.shape[1]
    check_matrix("head_weight", head_weight, rows=classes, columns=width)
    check_shape("head_bias", head_bias, classes)
    check_logits("head_bias", head_bias.unsqueeze(0))
    check_matrix("labelled_embeddings", labelled_embeddings, columns=width)
    check_shape("labelled_targets", labelled_targets, labelled_embeddings.shape[0])
    if labelled_targets.is_floating_point():
        raise AutoALError(f"labelled_targets has type {labelled_targets.dtype}, but integers are needed.")
    lowest, highest = int(labelled_targets.min()), int(labelled_targets.max())
    if lowest < 0 or highest >= classes:
        raise AutoALError(
            f"labelled_targets has labels from {lowest} to {highest}, but there are {classes} classes."
        )
    check_count(n, rows)
