r"""How alike two samples are: the kernels :math:`k(z, z')` of the coverage strategies.

Each kernel is a small object that turns inner products into similarities. A product in float32 has rounding
errors, so a kernel can also be asked for a value that is certainly not too small or not too large; where a
decision depends on the difference it is asked again in float64.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from autoal.errors import AutoALError, unknown_name

SNAP = 3e-14
"""Squared distances below this share of the squared norms count as zero: float64 cannot tell such rows apart."""

_SHARE = {torch.float32: 1e-6, torch.float64: 6e-14}


def rounding(dtype: torch.dtype) -> float:
    """Bound of the error of a squared distance from a matrix product, as a share of both squared norms."""
    return _SHARE[dtype]


class Similarity(ABC):
    """A symmetric kernel that falls with the distance and is at most 1."""

    @abstractmethod
    def of(self, inner: Tensor, left: Tensor, right: Tensor, share: float = 0.0) -> Tensor:
        """Return the similarities of a block.

        Args:
            inner: ``(t, m)`` inner products; may be overwritten.
            left: ``(t, 1)`` squared norms of the rows.
            right: ``(m,)`` squared norms of the columns.
            share: 0: the value. Positive: not below the value, if products are off by less than this share of the
                squared norms. Negative: not above it.
        """

    @abstractmethod
    def highest(self, inner: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """Return ``of(...)``'s largest value in each row, ``(t,)``."""


def squared_distances(inner: Tensor, left: Tensor, right: Tensor, share: float = 0.0) -> Tensor:
    """Turn inner products ``(t, m)`` in place into squared distances, lowered by ``share`` of the squared norms.

    With ``share == 0`` (for float64) distances that rounding alone can explain are exactly 0.
    """
    out = inner.mul_(-2).add_(right * (1 - share)).add_(left * (1 - share))
    if share != 0.0:
        return out
    return out.masked_fill_(out <= SNAP * (left + right), 0.0)


@dataclass(frozen=True)
class Radial(Similarity):
    """A function of only the distance.

    Attributes:
        bandwidth: The unit of distance h, above 0.
    """

    bandwidth: float = 1.0

    @abstractmethod
    def fall(self, squared: Tensor) -> Tensor:
        """Return the similarities at squared distances, which may be overwritten."""

    def of(self, inner: Tensor, left: Tensor, right: Tensor, share: float = 0.0) -> Tensor:
        """Return the similarities of a block; see :meth:`Similarity.of`."""
        return self.fall(squared_distances(inner, left, right, share).clamp_(min=0))

    def highest(self, inner: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """Return the similarity of the nearest column."""
        return self.fall(squared_distances(inner, left, right).amin(1))


class Rbf(Radial):
    r""":math:`\exp(-d^2 / h^2)`."""

    def fall(self, squared: Tensor) -> Tensor:
        """Return the similarities at squared distances."""
        return squared.mul_(-1 / self.bandwidth**2).exp_()


class Laplace(Radial):
    r""":math:`\exp(-d / h)`."""

    def fall(self, squared: Tensor) -> Tensor:
        """Return the similarities at squared distances."""
        return squared.sqrt_().mul_(-1 / self.bandwidth).exp_()


class StudentT(Radial):
    r""":math:`(1 + d^2 / h^2)^{-1/2}`: a heavy tail, exponent 0.5 as in the public code of MaxHerding."""

    def fall(self, squared: Tensor) -> Tensor:
        """Return the similarities at squared distances."""
        return squared.mul_(1 / self.bandwidth**2).add_(1).rsqrt_()


class TopHat(Radial):
    r""":math:`1[d < h]`, strictly: a sample at exactly the distance h is outside."""

    def fall(self, squared: Tensor) -> Tensor:
        """Return the similarities at squared distances."""
        # The margin decides for "outside" where the distance equals h and rounding would toss a coin.
        return squared.lt_(self.bandwidth**2 * (1 - 1e-12))


@dataclass(frozen=True)
class Cosine(Similarity):
    r""":math:`(1 + \cos) / 2`: the similarity of facility location. It has no bandwidth."""

    def of(self, inner: Tensor, left: Tensor, right: Tensor, share: float = 0.0) -> Tensor:
        """Return the similarities of a block; see :meth:`Similarity.of`."""
        return inner.add_(1 + share).mul_(0.5)

    def highest(self, inner: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """Return the similarity of the column with the smallest angle."""
        return self.of(inner.amax(1), left, right)


KERNELS: dict[str, Callable[[float], Similarity]] = {
    "rbf": Rbf,
    "student_t": StudentT,
    "laplace": Laplace,
    "cosine": lambda bandwidth: Cosine(),
    "top_hat": TopHat,
}
"""The kernels by the name that configs use; each is made from a bandwidth."""


def similarity(kernel: str | Similarity, bandwidth: float) -> Similarity:
    """Return a kernel by name; an object is returned as it is.

    Args:
        kernel: ``"rbf"``, ``"student_t"``, ``"laplace"``, ``"cosine"``, ``"top_hat"``, or an object of one's own.
        bandwidth: The unit of distance, from 1e-12 to 1e12.

    Raises:
        AutoALError: If there is no kernel of that name or the bandwidth is out of range.
    """
    if isinstance(kernel, Similarity):
        return kernel
    if kernel not in KERNELS:
        raise unknown_name("kernel", kernel, KERNELS)
    if not 1e-12 <= bandwidth <= 1e12:
        raise AutoALError(f"bandwidth={bandwidth:g}: a distance from 1e-12 to 1e12 is needed.")
    return KERNELS[kernel](bandwidth)
