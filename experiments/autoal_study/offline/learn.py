"""Can anything see which rule is best? One step, on origins that were not seen, from :mod:`.states`.

python -m experiments.autoal_study.offline.learn states.npz              # writes results/one_step*.csv
python -m experiments.autoal_study.offline.learn batches.npz --ideas b   # writes results/one_step_ideas_b.csv

All gains are test accuracy in points against the mean of the grid's rules at the same state. The fixed rule is the
best on the other origins. The oracle picks on one half of the test samples and is scored on the other.
*Recovered* is the share of the oracle's head-room over the fixed rule. An idea goes on from 20 %.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kendalltau
from torch import Tensor, nn

from experiments.autoal_study.offline.evidence import CUES
from experiments.autoal_study.offline.rehearse import KINDS
from experiments.autoal_study.offline.states import ARMS, HERDING, THETAS, TILTS

RESULTS = Path(__file__).resolve().parents[1] / "results"
BASE = THETAS.index((1.0, 3.0))
Policy = Callable[["Table", "Table"], np.ndarray]
"""``policy(seen, unseen) -> an arm for each unseen state``."""


@dataclass(frozen=True)
class Table:
    """Measured states.

    Attributes:
        gain: ``(N, A, 2)`` points on the two halves.
        state: ``(N, F)``.
        batch: ``(N, A, G)``.
        origin: ``(N,)`` names.
        proxy: ``(N, J, HERDING)`` points that the rules gain in J proxy worlds; J may be 0.
        alike: ``(N, J)`` how alike each world is to the real one.
    """

    gain: np.ndarray
    state: np.ndarray
    batch: np.ndarray
    origin: np.ndarray
    proxy: np.ndarray
    alike: np.ndarray

    def where(self, mask: np.ndarray) -> Table:
        """Return some of the states."""
        return Table(*(getattr(self, field.name)[mask] for field in fields(self)))

    @property
    def mean(self) -> np.ndarray:
        """Gains over both halves, against the grid's mean ``(N, A)``."""
        both: np.ndarray = self.gain.mean(2)
        both = both - both[:, :HERDING].mean(1, keepdims=True)
        return both


def load(paths: Sequence[Path]) -> Table:
    """Read the files of :mod:`.states`."""
    parts = [np.load(path) for path in paths]
    return Table(*(np.concatenate([part[field.name] for part in parts]) for field in fields(Table)))


def by_origin(values: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Mean over each origin's states, in the order of their names; states are the first axis."""
    return np.stack([values[origin == o].mean(0) for o in np.unique(origin)])


def fixed(table: Table, arms: int | None = HERDING) -> int:
    """The arm of largest mean gain, origins counting equally."""
    return int(by_origin(table.mean[:, :arms], table.origin).mean(0).argmax())


def oracle(table: Table, arms: int | None = HERDING) -> np.ndarray:
    """Gain per state of choosing on one half and scoring on the other, against the grid's mean."""
    centred = table.gain - table.gain[:, :HERDING].mean(1, keepdims=True)
    rows = np.arange(len(centred))
    picks = [centred[:, :arms, k].argmax(1) for k in (0, 1)]
    result: np.ndarray = (centred[rows, picks[0], 1] + centred[rows, picks[1], 0]) / 2
    return result


def _scaled(seen: np.ndarray, unseen: np.ndarray) -> tuple[Tensor, Tensor]:
    mean, sd = seen.mean(0), seen.std(0) + 1e-6
    out = [torch.from_numpy(np.clip((x - mean) / sd, -3, 3)).float() for x in (seen, unseen)]
    return out[0], out[1]


def _weights(origin: np.ndarray) -> Tensor:
    """Each state's weight, so that origins count equally."""
    _, place, counts = np.unique(origin, return_inverse=True, return_counts=True)
    return torch.from_numpy(1.0 / counts[place] / len(counts)).float()


class RuleNet(nn.Module):
    """Log-probabilities of the grid's rules given a state, which start at a prior.

    Args:
        width: Number of state features.
        prior: Log-probabilities ``(HERDING,)``.
        hidden: Hidden units.
        seed: Of the initial weights.
    """

    prior: Tensor

    def __init__(self, width: int, prior: Tensor, hidden: int = 16, seed: int = 0) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        last = nn.Linear(hidden, len(prior))
        self.body = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), last)
        self.register_buffer("prior", prior)
        with torch.no_grad():
            for p in self.body.parameters():
                p.copy_(torch.randn(p.shape, generator=draw) / width**0.5)
            # Almost the prior, and not a stationary point of the hidden units.
            last.weight.mul_(0.01)
            last.bias.zero_()

    def forward(self, state: Tensor) -> Tensor:
        """Return ``(N, HERDING)``."""
        return torch.log_softmax(self.prior + self.body(state), 1)

    def loss(self, state: Tensor, gain: Tensor, weight: Tensor, anchor: float) -> Tensor:
        """Minus the expected gain, and the divergence from the prior."""
        logp = self(state)
        loss: Tensor = (weight * (logp.exp() * (anchor * (logp - self.prior) - gain)).sum(1)).sum()
        return loss


def search_net(columns: slice, anchor: float, nets: int = 2) -> Policy:
    """Distribution over the grid as a function of the state, trained on measured gains through the expectation.

    The loss is ``-sum_i sum_a pi_a(s_i) gain_ia + anchor KL(pi || prior)``; the prior is the softmax of the mean
    gains of the seen origins, so that an infinite anchor gives the fixed rule.
    """

    def policy(seen: Table, unseen: Table) -> np.ndarray:
        x, x_new = _scaled(seen.state[:, columns], unseen.state[:, columns])
        gain = torch.from_numpy(seen.mean[:, :HERDING]).float()
        weight = _weights(seen.origin)
        prior = torch.log_softmax((weight[:, None] * gain).sum(0) / 0.1, 0)
        total = torch.zeros(len(x_new), HERDING)
        for k in range(nets):
            net = RuleNet(x.shape[1], prior, seed=k)
            optimiser = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=1e-3)
            for _ in range(200):
                optimiser.zero_grad()
                net.loss(x, gain, weight, anchor).backward()
                optimiser.step()
            with torch.no_grad():
                total += net(x_new).exp()
        return np.asarray(total.argmax(1))

    return policy


def ridge(columns: slice, penalty: float) -> Policy:
    """Regress every arm's gain on the state; take the arm of largest prediction."""

    def policy(seen: Table, unseen: Table) -> np.ndarray:
        x, x_new = _scaled(seen.state[:, columns], unseen.state[:, columns])
        gain = torch.from_numpy(seen.mean[:, :HERDING]).float()
        weight = _weights(seen.origin)[:, None]
        mean = (weight * gain).sum(0)
        gram = x.T @ (weight * x) + penalty * torch.eye(x.shape[1])
        beta = torch.linalg.solve(gram, x.T @ (weight * (gain - mean)))
        return np.asarray((mean + x_new @ beta).argmax(1))

    return policy


def ranker(hidden: int, arms: int | None, choose: int | None, epochs: int = 40) -> Policy:
    """Score batches by pairwise logistic loss, pairs of one state weighted by the difference of their gains.

    Args:
        hidden: Hidden units; 0: linear.
        arms: It learns from so many of each state's batches; None: all.
        choose: And chooses among so many; None: all.
        epochs: Passes over all states.
    """

    def inputs(table: Table, arms: int | None) -> np.ndarray:
        batch = table.batch[:, :arms] - table.batch[:, :HERDING].mean(1, keepdims=True)
        stage = np.repeat(table.state[:, None, :18], batch.shape[1], 1)
        return np.concatenate([batch, stage], 2)

    def policy(seen: Table, unseen: Table) -> np.ndarray:
        raw, raw_new = inputs(seen, arms), inputs(unseen, choose)
        width = raw.shape[2]
        x, x_new = _scaled(raw.reshape(-1, width), raw_new.reshape(-1, width))
        x, x_new = x.reshape(raw.shape), x_new.reshape(raw_new.shape)
        gain = torch.from_numpy(seen.mean[:, :arms]).float()
        torch.manual_seed(0)
        body = [nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, 1)] if hidden else [nn.Linear(width, 1)]
        net = nn.Sequential(*body)
        optimiser = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=1e-3)
        weight = _weights(seen.origin)
        apart = gain[:, :, None] - gain[:, None, :]
        for _ in range(epochs):
            optimiser.zero_grad()
            score = net(x).squeeze(2)
            gap = score[:, :, None] - score[:, None, :]
            loss = apart.clamp(min=0) * nn.functional.softplus(-gap)
            (weight * loss.mean((1, 2))).sum().backward()
            optimiser.step()
        with torch.no_grad():
            return np.asarray(net(x_new).squeeze(2).argmax(1))

    return policy


def by_worth(least: float) -> Policy:
    """Tilt to the cue that went with the labelled samples' worth, if its rank correlation is above a bound."""

    def policy(seen: Table, unseen: Table) -> np.ndarray:
        first = unseen.state.shape[1] - len(CUES)
        # Cues in the order of the tilts: unsure, typical (density), leverage.
        worth = unseen.state[:, [first, first + 1, first + 3]]
        best = worth.argmax(1)
        return np.where(worth.max(1) > least, len(THETAS) + best, fixed(seen))

    return policy


def proxy_gain(table: Table, kinds: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean gain of each rule over the worlds of some kinds, against the grid's mean, and its error.

    Returns:
        Both ``(N, HERDING)``.
    """
    part = np.isin(np.arange(table.proxy.shape[1]) % len(KINDS), kinds)
    gain = table.proxy[:, part] - table.proxy[:, part].mean(2, keepdims=True)
    weight = table.alike[:, part, None] + 1e-9
    weight = weight / weight.sum(1, keepdims=True)
    mean = (weight * gain).sum(1)
    error = np.sqrt((weight**2 * (gain - mean[:, None]) ** 2).sum(1))
    return mean, error


def rehearsal(cautious: bool, kinds: Sequence[int] = (0, 1, 2)) -> Policy:
    """Take the rule that gains most in the proxy worlds; if cautious, only where that is sure, else the fixed one.

    Sure: the gain over the fixed rule, shrunk by its error, is above 1.28 errors.
    """

    def policy(seen: Table, unseen: Table) -> np.ndarray:
        mean, error = proxy_gain(unseen, kinds)
        rows, best, base = np.arange(len(mean)), mean.argmax(1), fixed(seen)
        if not cautious:
            return np.asarray(best)
        more = mean[rows, best] - mean[:, base]
        noise = np.hypot(error[rows, best], error[:, base])
        shrunk = more * np.clip(1 - (noise / np.maximum(more, 1e-9)) ** 2, 0, None)
        return np.where(shrunk > 1.28 * noise, best, base)

    return policy


def concordance(table: Table) -> list[str]:
    """Kendall's tau between what the worlds say of the rules and what is true, by kind, mean over origins."""
    lines = []
    for name, kinds in [(k, (i,)) for i, k in enumerate(KINDS)] + [("all", tuple(range(len(KINDS))))]:
        said = proxy_gain(table, kinds)[0]
        tau = [float(kendalltau(a, b).statistic) for a, b in zip(said, table.mean[:, :HERDING], strict=True)]
        means = by_origin(np.nan_to_num(np.array(tau)), table.origin)
        lines.append(f"tau, {name}: {means.mean():+.2f} +- {means.std(ddof=1) / math.sqrt(len(means)):.2f}")
    return lines


VISIBLE, ALL = slice(0, 18), slice(0, 22)
IDEAS: dict[str, tuple[Policy, int | None]] = {
    **{f"a: SearchNet, anchor {b:g}": (search_net(VISIBLE, b), HERDING) for b in (0.1, 0.3, 1.0)},
    **{f"a: ridge, penalty {p:g}": (ridge(VISIBLE, p), HERDING) for p in (1.0, 3.0)},
    "b: linear ranker, grid": (ranker(0, HERDING, HERDING), HERDING),
    "b: ranker of 16 units, grid": (ranker(16, HERDING, HERDING), HERDING),
    "b: ranker of 16 units, all batches": (ranker(16, None, None), None),
    "b: linear ranker on all batches, grid": (ranker(0, None, HERDING), HERDING),
    "b: ranker of 16 units on all batches, grid": (ranker(16, None, HERDING), HERDING),
    **{f"c: worth above {t:g}": (by_worth(t), HERDING) for t in (0.2, 0.4)},
    "c: rehearsal": (rehearsal(False), HERDING),
    "c: rehearsal, where it is sure": (rehearsal(True), HERDING),
    **{f"c: rehearsal, {kind} only": (rehearsal(False, (k,)), HERDING) for k, kind in enumerate(KINDS)},
    "d: SearchNet with worth, anchor 0.3": (search_net(ALL, 0.3), HERDING),
    "d: ridge with worth, penalty 1": (ridge(ALL, 1.0), HERDING),
}


def splits(table: Table) -> Iterator[tuple[str, Table, Table]]:
    """Yield each origin's states as unseen and all others as seen."""
    for name in np.unique(table.origin):
        here = table.origin == name
        yield str(name), table.where(~here), table.where(here)


def judge(table: Table, ideas: str = "") -> list[dict[str, object]]:
    """One row per idea: gains over the seen origins' fixed rule, per unseen origin, and what is recovered.

    Args:
        table: Measured states.
        ideas: Only those whose names begin so.
    """
    kept = {name: idea for name, idea in IDEAS.items() if name.startswith(ideas)}
    chosen: dict[str, list[float]] = {name: [] for name in kept}
    among = dict.fromkeys(arms for _, arms in kept.values())
    anchors: dict[int | None, list[float]] = {arms: [] for arms in among}
    tops: dict[int | None, list[float]] = {arms: [] for arms in among}
    for _, seen, unseen in splits(table):
        rows = np.arange(len(unseen.origin))
        for arms in among:
            anchors[arms].append(float(unseen.mean[:, fixed(seen, arms)].mean()))
            tops[arms].append(float(oracle(unseen, arms).mean()))
        for name, (policy, _) in kept.items():
            chosen[name].append(float(unseen.mean[rows, policy(seen, unseen)].mean()))
    out: list[dict[str, object]] = []
    for name, (_, arms) in kept.items():
        gain = np.array(chosen[name]) - np.array(anchors[arms])
        room = np.array(tops[arms]) - np.array(anchors[arms])
        error = gain.std(ddof=1) / math.sqrt(len(gain))
        out.append(
            {
                "idea": name,
                "origins": len(gain),
                "headroom": f"{room.mean():.3f}",
                "gain": f"{gain.mean():.3f}",
                "se": f"{error:.3f}",
                "origins_better": int((gain > 0).sum()),
                "recovered": f"{gain.mean() / room.mean():.2f}",
                "goes_on": gain.mean() / room.mean() >= 0.2,
                **{str(o): f"{g:.3f}" for o, g in zip(np.unique(table.origin), gain, strict=True)},
            }
        )
    return out


def rules(table: Table) -> list[dict[str, object]]:
    """One row per arm: gain against UHerding (a = 1, c = 1), mean and error over origins, by stage and origin."""
    base = table.gain.mean(2)
    gain = base - base[:, [THETAS.index((1.0, 1.0))]]
    early = table.state[:, 0] < math.log(4)
    names = [*ARMS, "oracle of the grid", "oracle of all"]
    extra = [oracle(table, a) - table.mean[:, THETAS.index((1.0, 1.0))] for a in (HERDING, None)]
    gain = np.concatenate([gain[:, : len(ARMS)], np.stack(extra, 1)], 1)
    means = by_origin(gain, table.origin)
    out: list[dict[str, object]] = []
    for k, name in enumerate(names):
        out.append(
            {
                "rule": name,
                "gain": f"{means[:, k].mean():.3f}",
                "se": f"{means[:, k].std(ddof=1) / math.sqrt(len(means)):.3f}",
                "few_labels": f"{gain[early, k].mean():.3f}",
                "more_labels": f"{gain[~early, k].mean():.3f}",
                **{str(o): f"{m:.3f}" for o, m in zip(np.unique(table.origin), means[:, k], strict=True)},
            }
        )
    return out


def write(path: Path, rows: list[dict[str, object]]) -> None:
    """Write a CSV and show it."""
    with path.open("w", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]))
        out.writeheader()
        out.writerows(rows)
    for row in rows:
        print(" | ".join(str(v) for v in row.values()))


def main() -> None:
    """Judge every idea."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("states", type=Path, nargs="+")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--ideas", default="", help="only those whose names begin so, into a file of their own")
    args = parser.parse_args()
    torch.set_num_threads(1)
    assert len(TILTS) == 3
    table = load(args.states)
    count = table.gain.shape[0] * table.gain.shape[1]
    print(f"{len(table.origin)} states, {len(np.unique(table.origin))} origins, {count} labelled batches")
    if args.ideas:
        write(args.results / f"one_step_ideas_{args.ideas}.csv", judge(table, args.ideas))
        return
    write(args.results / "one_step_rules.csv", rules(table))
    write(args.results / "one_step_ideas.csv", judge(table))
    if table.proxy.shape[1]:
        print(*concordance(table), sep="\n")


if __name__ == "__main__":
    main()
