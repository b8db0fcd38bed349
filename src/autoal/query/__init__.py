"""What a query strategy is: the contract, the registry, and what strategies of strategies share.

As a library, on a torch model and a loader of your own::

    from autoal.query import ask, pool_outputs

    outputs = pool_outputs(model, loader)
    ask("badge", outputs, n=100, labelled={3: 0, 17: 2}).ids
"""

from autoal.query.asking import ask
from autoal.query.plain import ModelOutputs, pool_outputs

__all__ = ["ModelOutputs", "ask", "pool_outputs"]
