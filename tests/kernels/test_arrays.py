"""NumPy arrays at the kernels' door: the same picks as with tensors, and arrays back."""

import inspect
import warnings

import numpy as np
import pytest
import torch

import autoal.kernels as kernels
from autoal.errors import AutoALError
from tests.kernels.test_contract import BATCH

NOT_OF_TENSORS = {"Picks", "alfamix_options"}


def pool():
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(12, 4, generator=g)
    x = torch.randn(12, 5, generator=g)
    return logits, x, {"x": torch.randn(4, 5, generator=g), "logits": torch.randn(4, 4, generator=g)}


@pytest.mark.parametrize("name", ["kmeans", "kcenter", "badge", "bait_cold", "falcun", "kcenter_pca", "probcover"])
def test_arrays_in_arrays_out_with_the_same_picks(name):
    logits, x, side = pool()
    want = BATCH[name](logits, x, 5, torch.Generator().manual_seed(1), side)
    arrays = {k: v.numpy() for k, v in side.items()}
    got = BATCH[name](logits.numpy(), x.numpy(), 5, torch.Generator().manual_seed(1), arrays)
    assert isinstance(got, kernels.Picks)
    assert isinstance(got.index, np.ndarray)
    assert isinstance(got.score, np.ndarray)
    assert got.index.tolist() == want.index.tolist()
    assert np.array_equal(got.score, want.score.numpy())
    assert got.log == want.log


def test_every_public_kernel_takes_arrays():
    """Each function of the front that takes a tensor has the door: a list is refused by its name."""
    for name in set(kernels.__all__) - NOT_OF_TENSORS:
        function = getattr(kernels, name)
        parameters = inspect.signature(function).parameters.values()
        first = next(p.name for p in parameters if "Tensor" in str(p.annotation))
        rest = {p.name: None for p in parameters if p.default is p.empty and p.name != first}
        with pytest.raises(AutoALError, match=f"^{first} is of type list; a tensor or a NumPy array"):
            function(**{first: [1.0, 2.0]}, **rest)


def test_scores_and_tuples():
    mc = np.random.default_rng(0).normal(size=(3, 6, 4))
    assert np.allclose(kernels.bald(mc), kernels.bald(torch.from_numpy(mc)).numpy())
    centroids, assignment = kernels.weighted_kmeans(mc[0], 2, torch.Generator().manual_seed(0))
    assert isinstance(centroids, np.ndarray)
    assert isinstance(assignment, np.ndarray)


def test_one_tensor_keeps_the_result_a_tensor():
    logits, x, _ = pool()
    picks = kernels.badge(logits, x.numpy(), 3, torch.Generator().manual_seed(0))
    assert isinstance(picks.index, torch.Tensor)
    assert isinstance(kernels.kcenter(x.numpy(), 3, labelled=x[:2]).index, torch.Tensor)
    assert isinstance(kernels.kcenter(x.numpy(), 3, labelled=None).index, np.ndarray)


@pytest.mark.parametrize("kind", [">f4", "<f8", np.longdouble, np.float16])
def test_any_floating_type_and_byte_order(kind):
    logits = pool()[0].half()
    want = kernels.entropy(logits.double()).numpy()
    assert np.allclose(kernels.entropy(logits.numpy().astype(kind)), want, atol=1e-6)


def test_views_and_read_only_arrays_are_taken_without_a_warning():
    logits = pool()[0].numpy()
    view = logits[::-1, ::-1]
    frozen = logits.copy()
    frozen.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(kernels.margin(frozen), kernels.margin(logits))
        assert np.allclose(kernels.margin(view), kernels.margin(logits)[::-1])


@pytest.mark.parametrize("bad", [np.array([["a", "b"]]), np.array([[1 + 2j]]), np.array([[None]], dtype=object)])
def test_arrays_that_hold_no_numbers(bad):
    with pytest.raises(AutoALError, match=r"^logits is an array of .*; numbers are needed$"):
        kernels.margin(bad)


def test_a_generator_of_numpy_is_refused_in_one_line():
    logits, x, _ = pool()
    with pytest.raises(AutoALError, match=r"^generator is of type Generator; torch\.Generator\(\)\.manual_seed"):
        kernels.badge(logits, x, 3, np.random.default_rng(0))


def test_arrays_are_left_as_they_are():
    logits, x = (t.numpy() for t in pool()[:2])
    before = logits.copy(), x.copy()
    kernels.badge(logits, x, 4, torch.Generator().manual_seed(0))
    kernels.kcenter(x, 4)
    assert np.array_equal(before[0], logits)
    assert np.array_equal(before[1], x)
