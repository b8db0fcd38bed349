import torch

from autoal.strategies.facility_location import FacilityLocation
from autoal.testing.tiny import tiny_context, tiny_task


def test_adds_most_cosine_similarity_to_the_nearest_chosen_sample():
    strategy = FacilityLocation()
    ctx = tiny_context(tiny_task(), strategy)
    pool, known = (
        torch.nn.functional.normalize(x.double(), dim=1) for x in (ctx.embeddings, ctx.labelled_embeddings)
    )
    similar = (1 + pool @ pool.T) / 2
    covered = ((1 + pool @ known.T) / 2).amax(1)
    rows = torch.searchsorted(ctx.unlabelled.ids, (selection := strategy.query(ctx, 5)).ids)
    for row, score in zip(rows.tolist(), selection.scores.tolist(), strict=True):
        gain = (similar - covered[:, None]).clamp(min=0).sum(0)
        assert abs(float(gain.max()) - score) < 1e-9
        assert float(gain[row]) > float(gain.max()) - 1e-9
        covered = torch.maximum(covered, similar[:, row])
