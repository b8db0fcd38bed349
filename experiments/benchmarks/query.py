"""What a query of AutoAL by herding costs beside plain herding, with equal weights and no search.

python -m experiments.benchmarks.query [--rows 50000] [--width 384]
python -m experiments.benchmarks.query --rows 8000 --queries 3 --only uherding wide_herding --out again.csv

One query of ten from clusters, with 210 labels, a linear classifier and one thread. CPU seconds of this process
are compared, so that other programs disturb no side. `votes` is the part that asks the candidates. With several
queries the strategy is asked again about the same features, of which herding keeps the inner products.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import torch

from autoal.query.contract import QueryContext
from autoal.query.registry import build
from autoal.run.machine import machine
from autoal.training.inference import PoolOutputs
from experiments.autoal_study.offline.simulate import State, fit, new_net
from experiments.autoal_study.offline.worlds import World

RESULTS = Path(__file__).parent / "results" / "query.csv"
STRATEGIES: dict[str, dict[str, object]] = {
    "margin": {"name": "margin"},
    "uherding": {"name": "uherding"},
    "wide_herding": {"name": "wide_herding"},
    "autoal, herding": {"name": "autoal", "weights": "fixed", "query": "herding"},
    "autoal, herding over all": {"name": "autoal", "weights": "fixed", "query": "herding", "query_targets": None},
}


def clusters(rows: int, width: int, classes: int = 10) -> World:
    """Return samples of 200 clumps, with labels by clump."""
    draw = torch.Generator().manual_seed(0)
    clump = torch.randint(200, (rows,), generator=draw)
    x = torch.randn(200, width, generator=draw)[clump] + torch.randn(rows, width, generator=draw)
    return World("clusters", "clusters", x, clump % classes, x[:1], clump[:1] % classes, classes)


def main() -> None:
    """Time each strategy's query and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--labels", type=int, default=210)
    parser.add_argument("--queries", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=list(STRATEGIES), choices=list(STRATEGIES))
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    world = clusters(args.rows, args.width)
    labelled = torch.arange(0, args.rows, args.rows // args.labels)[: args.labels]
    state = State(world, new_net(world), labelled, 0)
    fit(state.net, world.x[labelled], world.y[labelled])
    found = []
    for name in args.only:
        strategy = build(STRATEGIES[name])
        parts: dict[str, float] = {}

        @contextmanager
        def phase(part: str, parts: dict[str, float] = parts) -> Iterator[object]:
            begin = time.process_time()
            yield lambda done, total: None
            parts[part] = time.process_time() - begin

        outputs: list[PoolOutputs] = [state.outputs(rows, strategy) for rows in (state.free, labelled)]
        ctx = QueryContext(
            unlabelled=outputs[0],
            labelled=outputs[1],
            labelled_ids=labelled,
            labelled_targets=world.y[labelled],
            n_classes=world.classes,
            net=state.net,
            inputs=lambda ids: world.x[ids],
            phase=phase,  # type: ignore[arg-type]
        )
        for query in range(args.queries):
            begin = time.process_time()
            strategy.query(ctx, 10)
            row = {
                "strategy": name,
                "query": query + 1,
                "rows": args.rows,
                "width": args.width,
                "labels": args.labels,
                "cpu_seconds": f"{time.process_time() - begin:.2f}",
                "votes": f"{parts.get('votes', 0.0):.2f}",
                "cpu": machine("cpu", 1)["cpu"],
                "threads": 1,
                "torch": torch.__version__,
                "date": f"{datetime.now(UTC):%Y-%m-%d}",
            }
            print(row, flush=True)
            found.append(row)
    with args.out.open("w", newline="") as file:
        out = csv.DictWriter(file, list(found[0]))
        out.writeheader()
        out.writerows(found)


if __name__ == "__main__":
    main()
