"""The settings of an oracle (``conf/oracle``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autoal.config.values import Count, Share, Text, Whole, check, settings_of
from autoal.errors import AutoALError

DEFAULT_N_TEST = 100
"""Test images that people are asked for where nothing else is said."""


@dataclass(frozen=True)
class OracleConfig:
    """Who answers.

    Attributes:
        name: Name of the preset.
        people: Whether people answer, between the parts of a run.
        n_test: Test labels bought at random at the start; None: 100 where the data have no test part.
        spare: Share of samples asked for beyond each batch, which take the place of skipped ones.
        overlap: Annotators that each sample is shown to.
        min_agree: Equal answers that settle a sample; None: as many as ``overlap``.
    """

    name: Text = "simulated"
    people: bool = False
    n_test: Whole | None = 0
    spare: Share = 0.1
    overlap: Count = 1
    min_agree: Count | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | None) -> OracleConfig:
        """Read and check an ``oracle`` config; without one the oracle is simulated.

        Raises:
            AutoALError: Naming the key, its value and what is valid.
        """
        oracle = cls(**check("oracle", config or {}, settings_of(cls)))
        if oracle.min_agree is not None and oracle.min_agree > oracle.overlap:
            raise AutoALError(f"oracle.min_agree={oracle.min_agree} is more than oracle.overlap={oracle.overlap}")
        return oracle

    def test_labels(self, lacks_test: bool) -> int:
        """Return how many test labels are bought.

        Args:
            lacks_test: Whether the data have no test part.

        Raises:
            AutoALError: If there is nothing to measure accuracy on, or twice.
        """
        n = (DEFAULT_N_TEST if lacks_test else 0) if self.n_test is None else self.n_test
        if lacks_test and n == 0:
            raise AutoALError("the data have no test part: set oracle.n_test, or dataset.test_share above 0")
        if n and not lacks_test:
            raise AutoALError(
                f"oracle.n_test={n}: the data have a test part already; set oracle.n_test=0, or "
                "dataset.test_share=0 where it was set aside from the labelled images"
            )
        return n
