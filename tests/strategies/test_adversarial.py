import pytest
import torch

from autoal import kernels
from autoal.errors import AutoALError
from autoal.strategies.adversarial import AdversarialBIM, AdversarialDeepFool
from autoal.testing.tiny import tiny_context, tiny_task


@pytest.mark.parametrize("strategy", [AdversarialBIM(), AdversarialDeepFool()], ids=["bim", "deepfool"])
@pytest.mark.parametrize("batch_size", [7, 256])
def test_takes_the_shortest_perturbations(strategy, batch_size):
    strategy.batch_size = batch_size
    ctx = tiny_context(tiny_task(), strategy)
    ctx.net.eval()
    distance = strategy.distance(lambda x: ctx.net(x).logits, ctx.inputs(ctx.unlabelled.ids))
    assert torch.isfinite(distance).sum() >= 10
    got = strategy.query(ctx, 10)
    want = distance.sort().values[:10].double()
    torch.testing.assert_close(-got.scores, want, rtol=1e-4, atol=1e-6)


def test_what_never_flips_comes_last_by_uncertainty():
    strategy = AdversarialBIM(eps=1e-7, max_iter=1)
    ctx = tiny_context(tiny_task(), strategy)
    got = strategy.query(ctx, len(ctx.unlabelled))
    assert got.log["unflipped"] == len(ctx.unlabelled)
    want = kernels.top_n(kernels.margin(ctx.unlabelled.logits), 10)
    assert got.ids[:10].tolist() == ctx.unlabelled.ids[want].tolist()
    assert torch.isfinite(got.scores).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AdversarialBIM(eps=0), "eps=0"),
        (lambda: AdversarialBIM(max_iter=0), "adversarial_bim.*max_iter=0"),
        (lambda: AdversarialDeepFool(batch_size=0), "batch_size=0"),
        (lambda: AdversarialDeepFool(max_classes=0), "max_classes=0"),
    ],
)
def test_refuses_options_that_mean_nothing(make, message):
    with pytest.raises(AutoALError, match=message):
        make()
