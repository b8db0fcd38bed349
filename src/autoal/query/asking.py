"""Asking a strategy about a plain model's outputs, without an experiment around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from autoal.errors import AutoALError
from autoal.kernels.arrays import as_tensor
from autoal.query.contract import QueryContext, QueryStrategy, Selection
from autoal.query.plain import PlainNet
from autoal.query.registry import build
from autoal.training.inference import PoolOutputs

Labelled = Mapping[int, int] | tuple[Any, Any]
"""``{index: class}``, or the indices and their classes as two arrays, tensors or sequences."""


def ask(
    strategy: str | Mapping[str, Any] | QueryStrategy,
    outputs: PoolOutputs,
    n: int,
    labelled: Labelled | None = None,
    seed: int = 0,
    round: int = 0,
) -> Selection:
    """Ask a strategy which samples to label next.

    Args:
        strategy: Its name, a mapping of ``name`` and options, or an instance, which keeps what it remembers from
            round to round.
        outputs: Of all samples, labelled and unlabelled, from :func:`pool_outputs`.
        n: How many.
        labelled: Which of them are labelled, with their classes; they are never chosen.
        seed: Of the strategy's random streams.
        round: Queries made before this one; gives each its own streams.

    Returns:
        The chosen ids (places in the outputs), their scores and what the strategy logs.

    Raises:
        AutoALError: If the strategy needs an experiment, or something that the outputs lack.

    Example:
        >>> outputs = PoolOutputs(torch.arange(4), torch.tensor([[9.0, 0.0], [0.1, 0.0], [5.0, 0.0], [0.2, 0.0]]))
        >>> ask("margin", outputs, n=1, labelled={1: 0}).ids
        tensor([3])
    """
    asked = strategy if isinstance(strategy, QueryStrategy) else build(strategy)
    ids, targets = _labels(labelled, outputs)
    _check_needs(asked, outputs, len(ids))
    free = torch.ones(len(outputs), dtype=torch.bool)
    free[ids] = False
    rest = free.nonzero().squeeze(1)
    net = getattr(outputs, "net", None) or PlainNet(nn.Identity(), None)
    context = QueryContext(
        unlabelled=outputs.take(rest),
        labelled=outputs.take(ids) if asked.needs.labelled else None,
        labelled_ids=outputs.ids[ids],
        labelled_targets=targets,
        n_classes=outputs.logits.shape[1],
        net=net,
        inputs=getattr(outputs, "inputs", None) or _no_inputs,
        seed=seed,
        stream=("strategy", round),
        round=round,
    )
    try:
        return asked.query(context, n)
    except AutoALError as error:
        if f"'{asked.name}'" in str(error):
            raise
        raise AutoALError(f"strategy '{asked.name}': {error}") from error


def _no_inputs(ids: Tensor) -> Tensor:
    raise AutoALError("the samples' inputs are needed: give pool_outputs a DataLoader over an indexed data set")


def _labels(labelled: Labelled | None, outputs: PoolOutputs) -> tuple[Tensor, Tensor]:
    """Return rows and classes of the labelled samples, ascending by row."""
    if labelled is None:
        return torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64)
    pair = (list(labelled), list(labelled.values())) if isinstance(labelled, Mapping) else labelled
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise AutoALError("labelled is neither {index: class} nor a pair of indices and classes")
    rows, classes = (_integers(name, part) for name, part in zip(("indices", "classes"), pair, strict=True))
    if rows.shape != classes.shape:
        raise AutoALError(f"labelled holds {len(rows)} indices and {len(classes)} classes")
    if len(rows.unique()) != len(rows):
        raise AutoALError("labelled names an index twice")
    for name, part, size in (("index", rows, len(outputs)), ("class", classes, outputs.logits.shape[1])):
        bad = part[(part < 0) | (part >= size)]
        if len(bad):
            raise AutoALError(f"labelled holds the {name} {int(bad[0])}, but there are 0 to {size - 1}")
    order = rows.argsort()
    return rows[order], classes[order]


def _integers(name: str, values: Any) -> Tensor:
    tensor = torch.tensor(list(values)) if isinstance(values, list | tuple | range) else values
    tensor = tensor if isinstance(tensor, Tensor) else as_tensor(f"labelled {name}", tensor)
    if tensor.ndim != 1 or (len(tensor) and (tensor.is_floating_point() or tensor.dtype == torch.bool)):
        raise AutoALError(f"labelled {name} are not a vector of integers")
    return tensor.cpu().to(torch.int64)


def _check_needs(strategy: QueryStrategy, outputs: PoolOutputs, n_labelled: int) -> None:
    """Refuse what a strategy can't do without, and say how to get it."""
    needs, name = strategy.needs, strategy.name
    if strategy.interactive:
        raise AutoALError(
            f"strategy '{name}' buys labels while it makes a batch, so it needs an experiment: "
            f"autoal.experiment(strategy='{name}', ...)"
        )
    if strategy.needs_experiment:
        raise AutoALError(
            f"strategy '{name}' trains networks or takes part in training, so it needs an experiment: "
            f"autoal.experiment(strategy='{name}', ...)"
        )
    if needs.mc_samples and outputs.mc_logits is None:
        raise AutoALError(
            f"strategy '{name}' needs Monte-Carlo dropout: "
            f"pool_outputs(model, loader, mc_samples={needs.mc_samples})"
        )
    if needs.embeddings and outputs.embeddings is None:
        raise AutoALError(
            f"strategy '{name}' needs embeddings, the input of a linear layer whose output the logits are; "
            "the model has no such last layer"
        )
    if needs.static:
        raise AutoALError(f"strategy '{name}' needs static features, which are a part of experiments")
    if needs.labelled and not n_labelled:
        raise AutoALError(f"strategy '{name}' needs labelled samples: labelled={{index: class, ...}}")
