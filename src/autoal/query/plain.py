"""Anybody's torch model and loader: the outputs that query strategies choose by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from autoal.errors import AutoALError
from autoal.models.classifier import Classifier, ClassifierOutput, DropoutKey
from autoal.rng import stream_seed
from autoal.training.inference import PoolOutputs, evaluating

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


class PlainNet(Classifier):
    """A torch model as strategies see a classifier: logits, the input of its last layer, and that layer.

    Args:
        model: Maps a batch of inputs to logits ``(B, C)``, or to an object with ``.logits``.
        head: Its last layer, whose output the logits are; None if it has no such layer.
    """

    def __init__(self, model: nn.Module, head: nn.Linear | None) -> None:
        nn.Module.__init__(self)
        self.model = model
        self.dropout = max((float(m.p) for m in model.modules() if isinstance(m, DROPOUTS)), default=0.0)
        self.drops_in_training = True
        self._tapped = head
        if head is not None:
            self.head = head if head.bias is not None else _with_bias(head)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            what = {"head": "a linear last layer", "backbone": "a backbone with stages"}.get(name)
            if what is None:
                raise
            raise AutoALError(f"{what} is needed, and the model {type(self.model).__name__} has none") from None

    @property
    def embedding_dim(self) -> int:
        """Width D of the embedding."""
        return self.head.in_features

    def embed(self, x: Tensor) -> Tensor:
        """Return the input of the last layer ``(B, D)``."""
        return self(x).embedding  # type: ignore[no-any-return]

    def forward(self, x: Tensor, key: DropoutKey | None = None) -> ClassifierOutput:
        """Run the model.

        Args:
            x: A batch of its inputs.
            key: Not used; a plain model drops what its own layers drop.
        """
        seen: list[Tensor] = []
        tap = self._tapped
        handle = tap.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])) if tap else None
        try:
            logits = logits_of(self.model, x)
        finally:
            if handle is not None:
                handle.remove()
        return ClassifierOutput(logits, seen[-1] if seen else logits.new_zeros(len(logits), 0), [])


def _with_bias(head: nn.Linear) -> nn.Linear:
    layer = nn.Linear(head.in_features, head.out_features, device=head.weight.device, dtype=head.weight.dtype)
    layer.weight = head.weight
    nn.init.zeros_(layer.bias)
    return layer


@dataclass
class ModelOutputs(PoolOutputs):
    """What a plain model says about the samples of a loader; see :func:`pool_outputs`.

    Attributes:
        net: The model.
        inputs: ``inputs(ids) -> (B, ...)``: inputs by their place in the loader's data set; None if it has none.
    """

    net: PlainNet | None = None
    inputs: Callable[[Tensor], Tensor] | None = None


def pool_outputs(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    mc_samples: int = 0,
    head: str | None = None,
    device: torch.device | str | None = None,
    seed: int = 0,
) -> ModelOutputs:
    """Run a model once over a loader and keep what query strategies choose by.

    The model is not changed: evaluation mode, no gradients, modes put back, no global random state touched.
    The last linear layer is found by its output, which the logits must be; its input is the embedding.

    Args:
        model: Maps a batch of inputs to logits ``(B, C)``, or to an object with ``.logits``.
        loader: Batches of inputs, or of tuples that start with them; in a fixed order.
        mc_samples: Number T of Monte-Carlo dropout passes, for strategies that need them; each drops the same
            units for every sample (:class:`torch.nn.Dropout` layers).
        head: Name of the last linear layer, for a model in which it can't be found.
        device: Where to send batches; default: where the model's parameters are.
        seed: Of the dropout masks.

    Returns:
        Outputs with ``ids`` 0 to N - 1, the places in the loader's order.

    Raises:
        AutoALError: If the loader shuffles or drops samples, or the model's output is no matrix of logits.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        >>> outputs = pool_outputs(model, torch.randn(10, 4).split(5))
        >>> outputs.logits.shape, outputs.embeddings.shape
        (torch.Size([10, 3]), torch.Size([10, 8]))
    """
    _check_order(loader)
    parameter = next(model.parameters(), None)
    where = torch.device(device or (parameter.device if parameter is not None else "cpu"))
    net: PlainNet | None = None
    logits: list[Tensor] = []
    embeddings: list[Tensor] = []
    # A loader draws the seed of its workers from the global random state.
    with torch.random.fork_rng(devices=[]), evaluating(model):
        for x in _batches(loader, where):
            net = net or PlainNet(model, find_head(model, x, head))
            out = net(x)
            logits.append(out.logits)
            embeddings.append(out.embedding)
        if net is None:
            raise AutoALError("the loader gave no batch")
        mc = _mc_passes(model, loader, where, mc_samples, seed) if mc_samples else None
    all_logits = torch.cat(logits)
    return ModelOutputs(
        torch.arange(len(all_logits)),
        all_logits,
        torch.cat(embeddings) if "head" in net._modules else None,
        mc,
        net=net,
        inputs=_fetcher(loader, where),
    )


def logits_of(model: nn.Module, x: Tensor) -> Tensor:
    """Return a model's logits ``(B, C)``.

    Raises:
        AutoALError: If it gives anything else.
    """
    out = model(x)
    logits = getattr(out, "logits", out)
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(out).__name__
        raise AutoALError(f"the model gives {shape}, but logits (B, C) are needed")
    return logits


def find_head(model: nn.Module, x: Tensor, name: str | None = None) -> nn.Linear | None:
    """Return the linear layer whose output a model's logits are, or None.

    Args:
        model: The model, in evaluation mode.
        x: A batch of its inputs.
        name: Look at the layer of this name only.

    Raises:
        AutoALError: If the named layer is not such a layer.
    """
    layers = {key: m for key, m in model.named_modules() if isinstance(m, nn.Linear)}
    if name is not None and name not in layers:
        raise AutoALError(
            f"head='{name}' is no linear layer of the model; there are: {', '.join(layers) or 'none'}"
        )
    tried = layers if name is None else {name: layers[name]}
    said: dict[str, Tensor] = {}

    def listen(key: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda module, inputs, output: said.update({key: output})

    handles = [layer.register_forward_hook(listen(key)) for key, layer in tried.items()]
    try:
        logits = logits_of(model, x)
    finally:
        for handle in handles:
            handle.remove()
    heads = [key for key, out in said.items() if out.shape == logits.shape and torch.equal(out, logits)]
    if name is not None and not heads:
        raise AutoALError(f"the output of head='{name}' is not the model's: something follows it")
    return tried[heads[-1]] if heads else None


def _check_order(loader: Iterable[Any]) -> None:
    if not isinstance(loader, DataLoader):
        return
    plain = type(loader.batch_sampler) in (BatchSampler, type(None)) and not getattr(loader, "drop_last", False)
    iterable = not hasattr(loader.dataset, "__getitem__")
    if not (plain and (iterable or isinstance(loader.sampler, SequentialSampler))):
        raise AutoALError(
            "the loader shuffles, samples or drops, so its rows can't be told apart; "
            "make it with shuffle=False and drop_last=False, without a sampler"
        )


def _batches(loader: Iterable[Any], device: torch.device) -> Iterator[Tensor]:
    for batch in loader:
        yield _inputs_of(batch).to(device)


def _inputs_of(batch: Any) -> Tensor:
    x = batch[0] if isinstance(batch, tuple | list) else batch
    if not isinstance(x, Tensor):
        raise AutoALError(
            f"the loader gives {type(x).__name__}; tensors, or tuples that start with one, are needed"
        )
    return x


def _fetcher(loader: Iterable[Any], device: torch.device) -> Callable[[Tensor], Tensor] | None:
    if not isinstance(loader, DataLoader) or not hasattr(loader.dataset, "__getitem__"):
        return None
    dataset, collate = loader.dataset, loader.collate_fn
    return lambda ids: _inputs_of(collate([dataset[int(i)] for i in ids])).to(device)


def _mc_passes(model: nn.Module, loader: Iterable[Any], device: torch.device, samples: int, seed: int) -> Tensor:
    """Return logits ``(T, N, C)``, each pass with one mask per dropout layer for all samples."""
    layers = [m for m in model.modules() if isinstance(m, DROPOUTS) and m.p > 0]
    if not layers:
        raise AutoALError(f"mc_samples={samples} needs dropout, and the model has no torch.nn.Dropout with p > 0")
    passes = []
    for t in range(samples):
        with _masked(layers, seed, t):
            passes.append(torch.cat([logits_of(model, x) for x in _batches(loader, device)]))
    return torch.stack(passes)


@contextmanager
def _masked(layers: Sequence[nn.Module], seed: int, t: int) -> Iterator[None]:
    """Let dropout layers, which pass everything on in evaluation mode, drop the units of one mask."""

    def drop(place: int) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            assert isinstance(module, DROPOUTS)
            whole = isinstance(module, nn.Dropout)
            shape = output.shape[1:] if whole else (output.shape[1], *([1] * (output.ndim - 2)))
            source = torch.Generator().manual_seed(stream_seed(seed, "mc", t, place))
            keep = torch.rand(shape, generator=source) >= module.p
            return output * keep.to(output) / (1 - module.p)

        return hook

    handles = [layer.register_forward_hook(drop(place)) for place, layer in enumerate(layers)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
