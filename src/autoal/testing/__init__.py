"""Tests for query strategies, also of other packages: the contract suite and the tiny world it runs in.

Needs pytest. The whole test of a strategy of your own::

    from autoal.testing import StrategyContract
    from my_package import MyStrategy


    class TestMyStrategy(StrategyContract):
        strategy = MyStrategy
"""

from autoal.errors import AutoALError

try:
    import pytest
except ImportError as error:
    raise AutoALError("autoal.testing needs pytest: pip install pytest") from error

pytest.register_assert_rewrite("autoal.testing.contract")

from autoal.testing.contract import StrategyContract  # noqa: E402  after the rewrite is registered
from autoal.testing.tiny import TinyBackbone, TinyImages, tiny_context, tiny_task  # noqa: E402

__all__ = ["StrategyContract", "TinyBackbone", "TinyImages", "tiny_context", "tiny_task"]
