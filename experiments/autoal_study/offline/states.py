"""Source tasks: what each rule's batch is worth at many states of many tasks, measured with the true labels.

python -m experiments.autoal_study.offline.states --features FOLDER --mnist FOLDER --out states.npz --tasks 18

Each origin gives so many tasks: sub-pools, class subsets, projections, long tails, noise. On each, a trajectory is
made by random rules; at some of its rounds the batch of every rule of the grid, and of rules asked on random
sub-pools, is labelled, the head is trained on it to its optimum, and its accuracy on all other samples is taken,
on two halves that are fixed per task: an oracle chooses on one and is scored on the other. With --worlds J every
rule is also rehearsed on J proxy worlds of each state; with --subpools K there are K batches of random sub-pools,
and the states are the same. One thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from autoal.kernels import crossfit_temperature, labelled_bandwidth
from autoal.query.registry import build
from autoal.rng import generator
from experiments.autoal_study.offline import worlds
from experiments.autoal_study.offline.evidence import Views, describe, features, rank, views
from experiments.autoal_study.offline.fast import Herder, heads, logits
from experiments.autoal_study.offline.rehearse import rehearse
from experiments.autoal_study.offline.simulate import L2, State, new_net
from experiments.autoal_study.offline.worlds import World

# (exponent, scale of the least labelled distance, or minus a bandwidth)
THETAS = (
    *((0.0, 3.0), (0.5, 2.0), (0.5, 4.0), (1.0, 1.0), (1.0, 2.0), (1.0, 3.0), (1.0, 4.0)),
    *((2.0, 2.0), (2.0, 4.0), (4.0, 3.0), (1.0, -0.7), (1.0, -1.0)),
)
TILTS = ("unsure", "density", "leverage")
OTHERS = {name: build(name) for name in ("random", "margin", "diverse_minibatch", "bait")}
SUBPOOLS = 3
"""Fewest batches of random sub-pools per state."""
ARMS = (
    *(f"a={a:g} c={c:g}" if c > 0 else f"a={a:g} h={-c:g}" for a, c in THETAS),
    *(f"tilt {name}" for name in TILTS),
    *OTHERS,
    *(f"subpool {k}" for k in range(SUBPOOLS)),
)
"""What every state has; further sub-pools follow."""
RULES = (*((a, c, None) for a, c in THETAS), *((1.0, 3.0, name) for name in TILTS))
"""Exponent, scale and tilt of every setting of herding."""
HERDING = len(RULES)
"""The first arms of :data:`ARMS`, among which AutoAL's parameters choose."""
AT = (0, 2, 5, 9)
"""Rounds at which arms are compared."""
FIRST_SEED = 1000
_TOGETHER = len(ARMS)
"""Heads that are fitted together."""
KEPT = ("state", "batch", "gain", "proxy", "alike")


def herd(
    herder: Herder,
    v: Views,
    n: int,
    exponent: float,
    scale: float,
    tilt: Tensor | None = None,
    part: Tensor | None = None,
) -> Tensor:
    """Positions among the free rows that weighted herding takes."""
    width = max(scale * labelled_bandwidth(v.labelled), 0.2) if scale > 0 else -scale
    weights = v.unsure**exponent
    if tilt is not None:
        weights = weights * (1 + 0.5 * rank(tilt))
    return herder.pick(weights, n, width, part)


def batches(state: State, v: Views, n: int, draw: torch.Generator, subpools: int = SUBPOOLS) -> list[Tensor]:
    """Positions of every arm's batch, in the order of :data:`ARMS`, then of further sub-pools."""
    herder = herder_of(state)
    made = [herd(herder, v, n, a, c) for a, c in THETAS]
    made += [herd(herder, v, n, 1.0, 3.0, getattr(v, name)) for name in TILTS]
    free = state.free
    made += [torch.searchsorted(free, state.ask(strategy, n)) for strategy in OTHERS.values()]
    # Further ones have draws of their own, so that the states that follow are those without them.
    more = generator(state.seed, "sub-pools", state.round)
    for rng in [draw] * SUBPOOLS + [more] * (subpools - SUBPOOLS):
        size = int(torch.randint(min(4 * n, len(free)), len(free) + 1, (1,), generator=rng))
        part = torch.randperm(len(free), generator=rng)[:size].sort().values
        theta = THETAS[int(torch.randint(len(THETAS), (1,), generator=rng))]
        made.append(herd(herder, v, n, *theta, part=part))
    return made


def herder_of(state: State) -> Herder:
    """Return the kernel's distances of a state."""
    unit = torch.nn.functional.normalize(state.world.x, dim=1)
    return Herder(unit, state.labelled, state.free)


def trained(world: World, labelled: Tensor, seed: int, round_: int) -> State:
    """Return the state with these labels."""
    state = State(world, new_net(world), labelled.sort().values, seed, round_)
    w = heads(world.x, world.y, [state.labelled], world.classes, L2)[0]
    with torch.no_grad():
        state.net.head.weight.copy_(w[:-1].T)
        state.net.head.bias.copy_(w[-1])
    return state


def covered(v: Views, rows: Tensor) -> tuple[float, float]:
    """Share of the pool that a batch newly covers at h = 1, plain and weighted by uncertainty."""
    before = torch.exp(-v.nearest.double().square())
    gap = 2 - 2 * (v.free @ v.free[rows].T).max(1).values.double()
    gain = (torch.exp(-gap) - before).clamp(min=0)
    return float(gain.mean()), float((gain * v.unsure).sum() / v.unsure.sum().clamp(min=1e-12))


def measure(
    state: State, n: int, half: Tensor, draw: torch.Generator, count: int = 0, subpools: int = SUBPOOLS
) -> dict[str, np.ndarray]:
    """Features of a state and of each arm's batch, its gain in points on both halves, and in ``count`` worlds."""
    targets = state.world.y[state.labelled]
    temperature = crossfit_temperature(
        state.world.x[state.labelled], targets, state.world.classes, generator(state.seed, "t", state.round)
    )
    v = views(state, temperature)
    free, world = state.free, state.world
    x = torch.cat([world.x_test, world.x[free]])
    y = torch.cat([world.y_test, world.y[free]])
    sides = torch.cat([half[: len(world.y_test)], half[len(world.y_test) :][free]])

    chosen = batches(state, v, n, draw, subpools)
    w = heads(world.x, world.y, [state.labelled], world.classes, L2)
    score = [_scores(x, y, sides, w)]
    for first in range(0, len(chosen), _TOGETHER):
        sets = [torch.cat([state.labelled, free[b]]) for b in chosen[first : first + _TOGETHER]]
        score.append(_scores(x, y, sides, heads(world.x, world.y, sets, world.classes, L2)))
    gains = (torch.cat(score[1:]) - score[0]).numpy()
    about = [list(describe(state, v, b, *covered(v, b)).values()) for b in chosen]
    seen = features(state, v, temperature, n)
    found = {"gain": gains, "batch": np.array(about), "state": np.array(list(seen.values()))}
    proxy = rehearse(state, v, n, RULES, temperature, count, generator(state.seed, "worlds", state.round))
    return found | {"proxy": proxy.gain, "alike": proxy.alike}


def _scores(x: Tensor, y: Tensor, sides: Tensor, w: Tensor) -> Tensor:
    """Accuracies in percent of heads on both halves, ``(S, 2)``."""
    hit = (logits(x, w).argmax(2) == y).double()
    return 100 * torch.stack([hit[:, ~sides].mean(1), hit[:, sides].mean(1)], 1)


def task(
    make: Callable[[int], World], seed: int, plain: bool, count: int = 0, subpools: int = SUBPOOLS
) -> list[dict[str, np.ndarray]]:
    """Measure a task's states along a trajectory of random rules."""
    rng = np.random.default_rng([seed, 7])
    world = make(seed)
    if not plain:
        world = worlds.variant(world, rng)
    n = int(np.clip(rng.choice([5, 10, 10, 20, 40]), 2, len(world.y) // 12))
    n = max(n, min(world.classes, 40))
    start = int(np.clip(rng.choice([1, 1, 2, 4]) * max(world.classes, 5), 2, len(world.y) // 4))
    draw = generator(seed, "states")
    order = torch.randperm(len(world.y), generator=draw)
    state = trained(world, order[:start], seed, 0)
    half = torch.from_numpy(rng.random(len(world.y) + len(world.y_test)) < 0.5)
    out = []
    for round_ in range(AT[-1] + 1):
        if len(state.free) < 3 * n:
            break
        if round_ in AT:
            out.append(measure(state, n, half, draw, count, subpools))
        a, c = THETAS[int(rng.integers(len(THETAS)))]
        v = views(state, 1.0)
        if rng.random() < 0.7:
            rows = herd(herder_of(state), v, n, a, c)
        else:
            rows = torch.randperm(len(state.free), generator=draw)[:n]
        state = trained(world, torch.cat([state.labelled, state.free[rows]]), seed, round_ + 1)
    return out


def makers(folder: Path | None, mnist: Path | None) -> dict[str, Callable[[int], World]]:
    """Return the origins that there are: tables and synthetic worlds need no files."""
    made = {name: worlds.table(name) for name in worlds.TABLES}
    made |= {kind: worlds.synthetic(kind) for kind in ("gauss", "prototypes")}
    for name in ("cifar10_jpeg-mobilenet_v2", "trec6-minilm", "mpqa-minilm", "banking77-minilm"):
        if folder is not None and (folder / f"{name}.npz").exists():
            made[name.split("-")[0]] = worlds.frozen(folder, name)
    if mnist is not None:
        made["mnist"] = worlds.mnist(mnist)
    return made


def main() -> None:
    """Measure, and write after each task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, help="folder of .npz files of frozen features")
    parser.add_argument("--mnist", type=Path, help="folder of the IDX files")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", type=int, default=18, help="per origin")
    parser.add_argument("--worlds", type=int, default=0, help="proxy worlds per state")
    parser.add_argument("--subpools", type=int, default=SUBPOOLS, help=f"per state, at least {SUBPOOLS}")
    parser.add_argument("--first", type=int, default=0, help="go on from this task; learn takes several files")
    args = parser.parse_args()
    if args.subpools < SUBPOOLS:
        parser.error(f"--subpools {args.subpools}: at least {SUBPOOLS} are needed")
    torch.set_num_threads(1)
    worlds.POOL, worlds.TEST = 1000, 1000
    rows: list[dict[str, np.ndarray]] = []
    names: list[str] = []
    numbers: list[int] = []
    begin = time.process_time()
    made = makers(args.features, args.mnist)
    for k in range(args.first, args.tasks):
        for i, (origin, maker) in enumerate(made.items()):
            plain = k < 2 and origin != "banking77"
            found = task(maker, FIRST_SEED + 100 * k + i, plain, args.worlds, args.subpools)
            rows += found
            names += [origin] * len(found)
            numbers += [k] * len(found)
        arrays = {key: np.stack([r[key] for r in rows]) for key in KEPT}
        arrays |= {"origin": np.array(names), "task": np.array(numbers)}
        np.savez_compressed(args.out, allow_pickle=False, **arrays)
        print(f"{k + 1}/{args.tasks}: {len(rows)} states, {time.process_time() - begin:.0f} s of CPU", flush=True)


if __name__ == "__main__":
    main()
