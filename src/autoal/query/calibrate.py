"""How unsure a classifier is, calibrated on the labelled samples, and how wide their neighbourhoods are."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels import crossfit_temperature, labelled_bandwidth, margin
from autoal.kernels.calibration import BANDWIDTHS
from autoal.query.contract import QueryContext


def check_temperature(temperature: float | str) -> None:
    """Refuse a temperature that is neither ``"crossfit"`` nor a positive number.

    Raises:
        AutoALError: Naming the value.
    """
    if temperature != "crossfit" and not (isinstance(temperature, int | float) and temperature > 0):
        raise AutoALError(f"temperature={temperature}: 'crossfit' or a number above 0 is needed")


def check_bandwidth(bandwidth: float | str) -> None:
    """Refuse a bandwidth that is neither a rule of :data:`~autoal.kernels.calibration.BANDWIDTHS` nor a number.

    Raises:
        AutoALError: Naming the value.
    """
    if isinstance(bandwidth, str) and bandwidth not in BANDWIDTHS:
        raise AutoALError(f"bandwidth='{bandwidth}': a number or one of {', '.join(BANDWIDTHS)} is needed")


def calibrated_uncertainty(ctx: QueryContext, known: Tensor, temperature: float | str) -> tuple[Tensor, float]:
    """Return u = 1 - (p1 - p2) of each unlabelled sample at a temperature, and the temperature.

    Args:
        ctx: The query.
        known: Features of the labelled samples ``(L, D)``: the heads that calibrate are fitted on them.
        temperature: ``"crossfit"`` (:func:`~autoal.kernels.crossfit_temperature`), or a number that divides the
            logits.

    Returns:
        ``(N,)`` float64, all ones without a labelled sample: an untrained classifier's margins say nothing.
    """
    found = 1.0
    if isinstance(temperature, int | float):
        found = float(temperature)
    elif known.shape[0]:
        targets = ctx.labelled_targets.to(known.device)
        found = crossfit_temperature(known, targets, ctx.n_classes, ctx.generator("calibrate"))
    # margin() is the negative gap of the two most probable classes plus 1.
    unsure = margin(ctx.unlabelled.logits.double() / found)
    return (unsure if known.shape[0] else torch.ones_like(unsure)), found


def bandwidth_of(known: Tensor, rule: float | str, scale: float = 1.0, least: float = 0.0) -> float:
    """Return the unit of distance of a herding kernel.

    Args:
        known: Features of the labelled samples ``(L, D)``.
        rule: A rule of :func:`~autoal.kernels.labelled_bandwidth`, or the bandwidth itself.
        scale: Multiple of the rule's distance.
        least: The rule's bandwidth is at least this much, since two labelled samples may almost coincide.
    """
    return max(scale * labelled_bandwidth(known, rule), least) if isinstance(rule, str) else rule
