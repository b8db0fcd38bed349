import pytest
import torch

from autoal.errors import AutoALError
from autoal.kernels import bim_distance, deepfool_distance


def linear(classes=5, dim=8, seed=0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    weight = torch.randn(classes, dim, generator=g, dtype=torch.float64).to(dtype)
    bias = torch.randn(classes, generator=g, dtype=torch.float64).to(dtype)
    x = torch.randn(40, dim, generator=g, dtype=torch.float64).to(dtype)
    return weight, bias, x


def analytic(weight, bias, x):
    """Squared distance of each row to the nearest of the boundaries between its class and another."""
    out = []
    for row in x:
        f = weight @ row + bias
        y = int(f.argmax())
        out.append(
            min(
                float((f[y] - f[k]) ** 2 / (weight[k] - weight[y]).square().sum()) for k in range(len(f)) if k != y
            )
        )
    return torch.tensor(out, dtype=torch.float64)


@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_deepfool_is_analytic_on_a_linear_model(batch_size):
    weight, bias, x = linear()
    got = deepfool_distance(lambda v: v @ weight.T + bias, x, batch_size=batch_size)
    torch.testing.assert_close(got, analytic(weight, bias, x), rtol=1e-6, atol=0)


def test_deepfool_takes_the_nearest_class_not_the_last():
    # Seen from the sample, class 1 is at distance 1 and class 2, the last, at distance 3.
    weight = torch.tensor([[0.0, 0], [1, 0], [0, 1]])
    bias = torch.tensor([0.0, -1, -3])
    got = deepfool_distance(lambda v: v @ weight.T + bias, torch.zeros(1, 2))
    assert got.item() == pytest.approx(1.0)


def test_deepfool_with_few_classes_looks_at_the_most_probable():
    weight, bias, x = linear()
    forward = lambda v: v @ weight.T + bias  # noqa: E731
    torch.testing.assert_close(deepfool_distance(forward, x, max_classes=4), deepfool_distance(forward, x))
    one = deepfool_distance(forward, x, max_classes=1)
    assert (one >= analytic(weight, bias, x) * (1 - 1e-6)).all()


def test_deepfool_crosses_the_boundary_of_a_network():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 16), torch.nn.Tanh(), torch.nn.Linear(16, 4))
    x = torch.randn(30, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    distance = deepfool_distance(net, x)
    assert torch.isfinite(distance).all()
    assert all(p.grad is None for p in net.parameters())
    # No perturbation can be shorter than the sampled distance to a differently labelled point on random lines.
    bim = bim_distance(net, x, eps=0.001, max_iter=5000)
    assert (distance <= bim * 1.05).all()


def test_bim_takes_sign_steps_until_the_label_changes():
    weight, bias, x = linear(classes=2)
    got = bim_distance(lambda v: v @ weight.T + bias, x, eps=0.05, max_iter=1000)
    f = x @ weight.T + bias
    y = f.argmax(1)
    rows = torch.arange(40)
    push = weight[1 - y] - weight[y]
    steps = torch.floor((f[rows, y] - f[rows, 1 - y]) / (0.05 * push.abs().sum(1))) + 1
    torch.testing.assert_close(got, (0.05 * steps) ** 2 * 8)


@pytest.mark.parametrize("search", [bim_distance, deepfool_distance])
def test_what_never_flips_is_infinite_and_the_loop_ends(search):
    calls = []

    def flat(v):
        calls.append(len(v))
        return torch.tensor([1.0, 0.0]) + 0 * v.sum(1, keepdim=True)

    assert torch.isinf(search(flat, torch.zeros(3, 2), max_iter=6)).all()
    assert len(calls) == 8


@pytest.mark.parametrize("search", [bim_distance, deepfool_distance])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_works_in_inference_mode_and_narrow_types(search, dtype):
    weight, bias, x = linear(dtype=dtype)
    with torch.inference_mode():
        frozen = x.clone()
        got = search(lambda v: v @ weight.T + bias, frozen, max_iter=500)
    assert got.dtype == torch.float32
    assert torch.isfinite(got).float().mean() > 0.9


@pytest.mark.parametrize("search", [bim_distance, deepfool_distance])
def test_errors(search):
    forward = lambda v: v  # noqa: E731
    with pytest.raises(AutoALError, match="max_iter=0"):
        search(forward, torch.zeros(2, 2), max_iter=0)
    with pytest.raises(AutoALError, match="x holds the value nan"):
        search(forward, torch.full((2, 2), torch.nan))
    with pytest.raises(AutoALError, match=r"shape \(3,\)"):
        search(forward, torch.zeros(3))
    with pytest.raises(AutoALError, match="forward returned shape"):
        search(lambda v: v.sum(1), torch.zeros(3, 2))
    with pytest.raises(AutoALError, match="logits of forward holds the value"):
        search(lambda v: v / 0, torch.ones(3, 2))


def test_own_options():
    with pytest.raises(AutoALError, match="eps=0"):
        bim_distance(lambda v: v, torch.zeros(2, 2), eps=0)
    with pytest.raises(AutoALError, match="max_classes=0"):
        deepfool_distance(lambda v: v, torch.zeros(2, 2), max_classes=0)
