"""Whole runs of what passed the one-step test, beside the fixed rules, on origins that it was not trained on.

python -m experiments.autoal_study.offline.whole states.npz --features FOLDER --mnist FOLDER --seeds 5

For each origin the ridge of idea (a) is trained on the states of all others. `fixed` is the best rule of the
others, `prior` herding of exponent 1 tilted to uncertainty, `uherding` the published form. Seeds from 300 on, 10
labels per round (as many as classes, if more, up to 40). What the CSV holds is not run again. One thread.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from autoal.kernels import crossfit_temperature
from autoal.rng import generator
from experiments.autoal_study.offline import worlds
from experiments.autoal_study.offline.evidence import features, views
from experiments.autoal_study.offline.learn import RESULTS, VISIBLE, Table, fixed, load, ridge
from experiments.autoal_study.offline.simulate import accuracy
from experiments.autoal_study.offline.states import ARMS, HERDING, THETAS, TILTS, herd, herder_of, makers, trained
from experiments.autoal_study.offline.worlds import World

FIRST_SEED = 300
RULES = ("learnt", "fixed", "prior", "uherding")
UNMEASURED = Table(
    np.zeros((1, len(ARMS), 2)),
    np.zeros((1, 22)),
    np.zeros((1, len(ARMS), 1)),
    np.array(["?"]),
    np.zeros((1, 0, HERDING)),
    np.zeros((1, 0)),
)
PRIOR, UHERDING = ARMS.index("tilt unsure"), THETAS.index((1.0, 1.0))


def run(world: World, rule: str, seen: Table, seed: int, rounds: int) -> list[float]:
    """Accuracies of a run."""
    n = max(10, min(world.classes, 40))
    n = min(n, len(world.y) // 15)
    policy, best = ridge(VISIBLE, 1.0), fixed(seen)
    order = torch.randperm(len(world.y), generator=generator(seed, "initial"))
    state = trained(world, order[:n], seed, 0)
    found = [accuracy(state.net, world)]
    for k in range(rounds):
        known = state.labelled
        temperature = crossfit_temperature(world.x[known], world.y[known], world.classes, generator(seed, "t", k))
        v = views(state, temperature)
        arm = {"fixed": best, "prior": PRIOR, "uherding": UHERDING}.get(rule, -1)
        if arm < 0:
            row = np.array([list(features(state, v, temperature, n).values())])
            arm = int(policy(seen, replace(UNMEASURED, state=row))[0])
        theta, tilt = (THETAS[arm], None) if arm < len(THETAS) else ((1.0, 3.0), TILTS[arm - len(THETAS)])
        rows = herd(herder_of(state), v, n, *theta, tilt=None if tilt is None else getattr(v, tilt))
        state = trained(world, torch.cat([known, state.free[rows]]), seed, k + 1)
        found.append(accuracy(state.net, world))
    return found


def main() -> None:
    """Run what is missing, seed by seed, then compare in pairs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("states", type=Path, nargs="+")
    parser.add_argument("--features", type=Path, help="folder of .npz files of frozen features")
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    torch.set_num_threads(1)
    worlds.POOL, worlds.TEST = 1000, 1500
    table = load(args.states)
    path = RESULTS / "whole_runs.csv"
    done: dict[tuple[str, str, str], float] = {}
    if path.exists():
        with path.open() as file:
            done = {(r["origin"], r["seed"], r["rule"]): float(r["aubc"]) for r in csv.DictReader(file)}
    else:
        path.write_text("origin,seed,rule,aubc,early,final\n")
    made = makers(args.features, args.mnist)
    for seed in range(FIRST_SEED, FIRST_SEED + args.seeds):
        for origin, maker in made.items():
            seen, world = table.where(table.origin != origin), maker(seed)
            for rule in RULES:
                if (origin, str(seed), rule) in done:
                    continue
                a = np.array(run(world, rule, seen, seed, args.rounds))
                half = len(a) // 2
                areas = [(c[:-1] + c[1:]).mean() / 2 for c in (a, a[: half + 1])]
                with path.open("a") as file:
                    file.write(f"{origin},{seed},{rule},{areas[0]:.3f},{areas[1]:.3f},{a[-1]:.3f}\n")
                done[origin, str(seed), rule] = areas[0]
    for other in RULES[1:]:
        print(difference(done, other))


def difference(done: dict[tuple[str, str, str], float], other: str) -> str:
    """The learnt rule against another, paired by seed, origins counting equally."""
    gaps: dict[str, list[float]] = defaultdict(list)
    for (origin, number, rule), area in done.items():
        if rule == "learnt" and (origin, number, other) in done:
            gaps[origin].append(area - done[origin, number, other])
    mean = np.array([np.mean(g) for g in gaps.values()])
    error = mean.std(ddof=1) / len(mean) ** 0.5
    each = ", ".join(f"{o} {m:+.2f} ({len(gaps[o])})" for o, m in zip(gaps, mean, strict=True))
    return f"learnt - {other}: {mean.mean():+.3f} +- {error:.3f} over {len(mean)} origins: {each}"


if __name__ == "__main__":
    main()
