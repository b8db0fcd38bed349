r"""Which of several rows is the best, decided alike on every machine.

A matrix product gives rows that are equal to the letter distances that differ in the last bit, depending on where
they stand in a block, on the number of threads and on the processor. Kernels therefore use products only to find
*contenders*, the rows within the product's rounding bound of the best, and decide among those by the arithmetic
of this file:

- :func:`row_sum`, :func:`squared_distance`, :func:`exp`, :func:`log` and :func:`log_softmax` use nothing but
  single IEEE operations in a fixed order (no fused multiply-add, no library function, no reduction whose order
  the processor chooses). The same row gives the same bits wherever it stands: in any block, shard or cache, with
  any number of threads, on any processor.
- Of these values, those within a relative :data:`TIE` of the best count as equal, and the lowest row wins. Pools
  are sorted by sample id, so that is "by score, then by id". The tolerance is far above the rounding of float64
  sums, so values that are equal on paper (the same terms in another order) are equal here too, and far below any
  difference that means something.

Example:
    >>> import torch
    >>> from autoal.kernels.ties import largest, squared_distance
    >>> x = torch.tensor([[0.0, 0.0], [3.0, 4.0], [4.0, 3.0]])
    >>> largest(squared_distance(x, x[:1]))
    1
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

TIE = 1e-10
"""Relative difference up to which two float64 values count as equal."""

_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")  # 32 bits: its product with an exponent is exact
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_INVERSE_LN2 = float.fromhex("0x1.71547652b82fep+0")
_LOWEST = -708.0
_FACTORIALS = [1.0]
for _k in range(1, 14):
    _FACTORIALS.append(_FACTORIALS[-1] * _k)
_MANTISSA, _BIAS = 52, 1023


def row_sum(x: Tensor) -> Tensor:
    """Sum each row in an order that depends on nothing but the number of columns.

    The columns are folded in half until one is left, so the error grows with the logarithm of their number.

    Args:
        x: ``(m, d)`` numbers of any floating type.

    Returns:
        ``(m,)`` float64.

    Example:
        >>> row_sum(torch.tensor([[1.0, 2.0, 3.0]]))
        tensor([6.], dtype=torch.float64)
    """
    part = x.double().T.contiguous()
    if part.shape[0] == 0:
        return torch.zeros(x.shape[0], dtype=torch.float64, device=x.device)
    while part.shape[0] > 1:
        half = part.shape[0] // 2
        folded = part[:half] + part[half : 2 * half]
        if part.shape[0] % 2:
            folded[0] += part[-1]
        part = folded
    return part[0]


def dot(x: Tensor, y: Tensor) -> Tensor:
    """Inner product of each row of ``x`` with that of ``y`` (or with the only one), ``(m,)`` float64."""
    return row_sum(x.double() * y.double())


def squared_distance(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distance of each row of ``x`` from that of ``y`` (or from the only one), by differences.

    Args:
        x: ``(m, d)``.
        y: ``(m, d)`` or ``(1, d)``. Give the rows as they are stored: a shift would round them.

    Returns:
        ``(m,)`` float64, exactly 0 for equal rows.
    """
    return row_sum((x.double() - y.double()).square_())


def exp(x: Tensor) -> Tensor:
    """Exponential function to about one unit in the last place; 0 below -708.

    Args:
        x: Numbers of any shape, at most 709.

    Returns:
        float64, the same shape.
    """
    x = x.double()
    power = (x.clamp(min=_LOWEST) * _INVERSE_LN2).round()
    rest = x.clamp(min=_LOWEST) - power * _LN2_HIGH
    rest -= power * _LN2_LOW
    out = torch.full_like(rest, 1 / _FACTORIALS[-1])
    for factorial in reversed(_FACTORIALS[:-1]):
        out.mul_(rest).add_(1 / factorial)
    scale = ((power.long() + _BIAS) << _MANTISSA).view(torch.float64)
    return out.mul_(scale).masked_fill_(x < _LOWEST, 0.0)


def log(x: Tensor) -> Tensor:
    """Natural logarithm of normal positive numbers, to about one unit in the last place.

    Args:
        x: Positive numbers of any shape, at least 1e-307.

    Returns:
        float64, the same shape.
    """
    bits = x.double().contiguous().view(torch.int64)
    power = (bits >> _MANTISSA) - _BIAS
    mantissa = ((bits & ((1 << _MANTISSA) - 1)) | (_BIAS << _MANTISSA)).view(torch.float64)
    large = mantissa > 1.4142135623730951
    mantissa = torch.where(large, mantissa * 0.5, mantissa)
    power = (power + large.long()).double()
    # log m = 2 artanh((m - 1) / (m + 1)), a series in z^2 <= 0.03
    z = (mantissa - 1) / (mantissa + 1)
    square = z * z
    series = torch.full_like(z, 2 / 25)
    for k in range(23, 1, -2):
        series.mul_(square).add_(2 / k)
    series.mul_(square).mul_(z).add_(power * _LN2_LOW)
    return series.add_(z * 2).add_(power * _LN2_HIGH)


def log_softmax(logits: Tensor) -> Tensor:
    """Logarithm of the softmax of each row.

    Args:
        logits: ``(m, C)`` finite numbers of any floating type.

    Returns:
        ``(m, C)`` float64, finite.
    """
    shifted = logits.double()
    shifted = (shifted - shifted.amax(1, keepdim=True)).clamp_(min=-1e300)
    return shifted - log(row_sum(exp(shifted)))[:, None]


def settled(score: Tensor) -> Tensor:
    """Round float64 scores to 36 bits, so that rows that are equal keep equal scores.

    For scores that come out of products: what the order of a sum changes is a thousand times smaller than the
    last of these bits.

    Args:
        score: Numbers of any shape.

    Returns:
        float64, the same shape.

    Example:
        >>> bool(settled(torch.tensor(0.1 + 0.2)) == settled(torch.tensor(0.3)))
        True
    """
    fraction, power = torch.frexp(score.double())
    return torch.ldexp((fraction * 2.0**36).round() * 2.0**-36, power)


def largest(value: Tensor, tie: float = TIE) -> int:
    """Lowest row whose value equals the largest one within the tolerance.

    Args:
        value: ``(m,)`` float64 values made by the arithmetic of this file, m >= 1.
        tie: Relative tolerance.

    Returns:
        The row.
    """
    top = float(value.max())
    limit = top - tie * abs(top) if math.isfinite(top) else top
    return int((value >= limit).nonzero()[0])


def smallest(value: Tensor, tie: float = TIE) -> int:
    """Lowest row whose value equals the smallest one within the tolerance; see :func:`largest`."""
    return largest(-value, tie)


def largest_checked(
    value: Tensor, rounding: Tensor | float, exact: Callable[[Tensor], Tensor], tie: float = TIE
) -> tuple[int, float]:
    """Lowest row with the largest exact value, when only rounded values are at hand for all.

    Args:
        value: ``(m,)`` values from a product or another fast way, m >= 1; ``-inf`` for rows that may not win.
        rounding: How far each may be from the exact one, a number or ``(m,)``.
        exact: Maps rows ``(k,)``, ascending, to their exact values ``(k,)`` float64.
        tie: Relative tolerance.

    Returns:
        The row and its exact value.

    Example:
        >>> x = torch.tensor([[5.0], [7.0], [7.0]])
        >>> row, value = largest_checked(torch.tensor([5.0, 6.9, 7.1]), 0.2, lambda rows: x[rows, 0].double())
        >>> row, value
        (1, 7.0)
    """
    sure = float((value - rounding).max())
    limit = sure - 2 * tie * abs(sure) if math.isfinite(sure) else sure
    rows = (value + rounding >= limit).nonzero().squeeze(1)
    found = exact(rows)
    place = largest(found, tie)
    return int(rows[place]), float(found[place])
