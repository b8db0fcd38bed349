"""Strategies that ask inside a batch: GALAXY and DIRECT against plain versions, the ledger, kills, ranks."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from autoal.data.oracle import Oracle
from autoal.errors import AutoALError
from autoal.kernels import class_line
from autoal.query.contract import QueryContext, check_oracle
from autoal.query.interactive import Answer, InteractiveStrategy
from autoal.query.registry import build
from autoal.strategies.direct import DIRECT
from autoal.strategies.galaxy import GALAXY
from autoal.testing.tiny import tiny_context, tiny_task
from tests.faults import lives
from tests.faults.lives import Fault

NAMES = ("galaxy", "direct")
TARGETS = torch.arange(60) % 3  # of the tiny world


def plain_line(logits: list[list[float]], k: int) -> list[int]:
    """Rows in order, by the definition."""
    keys = []
    for row in logits:
        p = torch.tensor(row, dtype=torch.float64).softmax(0)
        keys.append(float(p[k]) if len(row) == 2 else float(p[k] - p.max() + 1e-8 * p.max()))
    return sorted(range(len(keys)), key=lambda i: (keys[i], i))


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_the_line_is_the_definitions(classes: int) -> None:
    logits = torch.randn(80, classes, generator=torch.Generator().manual_seed(classes))
    logits[40:50] = logits[:10]
    for k in range(classes):
        assert class_line(logits, k).tolist() == plain_line(logits.double().tolist(), k)
    with pytest.raises(AutoALError, match="label=9"):
        class_line(logits, 9)


def world(strategy: InteractiveStrategy) -> tuple[QueryContext, list[list[float]], list[int | None]]:
    """The context, logits of all samples and what is known of them; the pool first, as the strategies stack it."""
    ctx = tiny_context(tiny_task(), strategy)
    logits = torch.cat([ctx.unlabelled.logits, ctx.known.logits]).double().tolist()
    return ctx, logits, [None] * len(ctx.unlabelled) + ctx.labelled_targets.tolist()


def plain_galaxy(ctx: QueryContext, logits: list[list[float]], known: list[int | None], n: int) -> list[int]:
    turns = torch.randint(3, (n,), generator=ctx.generator("classes")).tolist()
    random, picks = ctx.generator("rows"), []
    for k in turns:
        line = plain_line(logits, k)
        places = [p for p, row in enumerate(line) if known[row] is not None]
        free = [p for p, row in enumerate(line) if known[row] is None]
        pairs = [(a, b) for a, b in pairwise(places)
                 if (known[line[a]] == k) != (known[line[b]] == k)]  # fmt: skip
        gaps, cuts = [(a, b) for a, b in pairs if b - a > 1], [a for a, b in pairs if b - a == 1]
        if gaps:
            a, b = min(gaps, key=lambda gap: (gap[1] - gap[0], gap[0]))
            row = line[(a + b) // 2]
        elif cuts:
            row = line[min(free, key=lambda p: (min(abs(p - c - 0.5) for c in cuts), p))]
        else:
            row = sorted(line[p] for p in free)[int(torch.randint(len(free), (1,), generator=random))]
        picks.append(int(ctx.unlabelled.ids[row]))
        known[row] = int(TARGETS[picks[-1]])
    return picks


@pytest.mark.parametrize("n", [1, 12, 48])
def test_galaxy_is_the_plain_rule(n: int) -> None:
    ctx, logits, known = world(GALAXY())
    selection = GALAXY().query(ctx, n)
    assert selection.ids.tolist() == plain_galaxy(ctx, logits, known, n)
    assert sum(selection.log.values()) == n


def test_galaxy_draws_where_nothing_is_known_to_change() -> None:
    task = tiny_task(one_class=True)
    ctx = tiny_context(task, GALAXY())
    log = GALAXY().query(ctx, 6).log
    assert log["galaxy_random"] > 0


def explained(line: list[int], known: list[int | None], k: int) -> list[int]:
    return [
        sum(known[r] is not None and known[r] != k for r in line[:j]) + sum(known[r] == k for r in line[j:])
        for j in range(len(line) + 1)
    ]


def plain_direct(
    ctx: QueryContext, logits: list[list[float]], known: list[int | None], n: int, step: int, least: int
) -> list[int]:
    random, picks = ctx.generator("rows"), []
    order = torch.randperm(3, generator=ctx.generator("classes")).tolist()
    held = [sum(y == k for y in known) for k in range(3)]
    first = n // 2
    rare = sorted(range(3), key=lambda k: (held[k], k))[: max(1, min(3, first // least))]

    def buy(row: int) -> None:
        picks.append(int(ctx.unlabelled.ids[row]))
        known[row] = int(TARGETS[picks[-1]])

    def by_threshold(k: int) -> None:
        line = plain_line(logits, k)
        counts = explained(line, known, k)
        best = [j for j, c in enumerate(counts) if c == max(counts)]
        cut = best[(len(best) - 1) // 2] - 0.5
        buy(line[min((p for p, r in enumerate(line) if known[r] is None), key=lambda p: (abs(p - cut), p))])

    for i, k in enumerate(rare):
        share = first // len(rare) + (i < first % len(rare))
        line = plain_line(logits, k)
        inside = [p for p, r in enumerate(line) if known[r] == k]
        outside = [p for p, r in enumerate(line) if known[r] is not None and known[r] != k]
        low, high = 0, len(line)
        if inside and outside:
            low = max([p + 1 for p in outside if p < inside[0]], default=0)
            high = min([p for p in inside if p > outside[-1]], default=len(line))

        def free(low: int, high: int, line: list[int] = line) -> list[int]:
            return [r for r in line[low:high] if known[r] is None]

        whole = aim = float(len(free(low, high)))
        for bought in range(1, share + 1):
            rows = sorted(free(low, high))
            if rows:
                buy(rows[int(torch.randint(len(rows), (1,), generator=random))])
            else:
                by_threshold(k)
            if bought % step == 0:
                aim /= max(1.0, whole) ** (1 / max(1.0, share / step))
                counts = explained(line, known, k)
                while high > low and len(free(low, high)) > max(1.0, aim):
                    low, high = (low + 1, high) if counts[low] <= counts[high] else (low, high - 1)
    for i, k in enumerate(order):
        for _ in range((n - first) // 3 + (i < (n - first) % 3)):
            by_threshold(k)
    return picks


@pytest.mark.parametrize(("n", "step", "least"), [(1, 20, 60), (13, 2, 3), (30, 3, 5), (48, 20, 60), (48, 1, 1)])
def test_direct_is_the_plain_rule(n: int, step: int, least: int) -> None:
    ctx, logits, known = world(DIRECT(step, least))
    selection = DIRECT(step, least).query(ctx, n)
    assert selection.ids.tolist() == plain_direct(ctx, logits, known, n, step, least)


def test_direct_gives_the_rarest_class_the_search() -> None:
    """The published program does the opposite: with few picks per class it searches for all of them."""
    steering = DIRECT(least=60).start(world(DIRECT())[0], 48)
    assert [part for part in steering._plan if part[1]] == [(0, True, 24)]


@pytest.mark.parametrize("name", NAMES)
def test_each_label_is_told_before_the_next_is_asked_for(name: str) -> None:
    """Another answer to the third question changes the questions after it, and none before."""
    strategy = build({"name": name, **({"step": 1, "least": 1} if name == "direct" else {})})
    asked: list[list[int]] = []
    for flip in (False, True):
        ids: list[int] = []

        def answer(id_: int, score: float, ids: list[int] = ids, flip: bool = flip) -> Answer:
            ids.append(id_)
            return Answer(id_, int((TARGETS[id_] + (flip and len(ids) == 3)) % 3))

        strategy.query(replace(tiny_context(tiny_task(), strategy), answer=answer), 20)
        asked.append(ids)
    assert asked[0][:3] == asked[1][:3]
    assert asked[0] != asked[1]


@pytest.mark.parametrize("name", NAMES)
def test_what_the_ledger_holds_counts(name: str) -> None:
    """An answer about another sample is taken as the pick."""
    strategy = build(name)

    def answer(id_: int, score: float) -> Answer:
        return (
            Answer(59 if first else id_, 0) if (first := not told) and told.append(1) is None else Answer(id_, 0)
        )

    told: list[int] = []
    ids = strategy.query(replace(tiny_context(tiny_task(), strategy), answer=answer), 5).ids.tolist()
    assert ids[0] == 59
    assert len(set(ids)) == 5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("action", ["kill", "kill_after"])
def test_a_kill_inside_a_batch_is_made_good_to_the_bit(name: str, action: str, tmp_path: Path) -> None:
    config = lives.config(f"strategy={name}", "loop.n_rounds=2")
    calm, run = tmp_path / "calm", tmp_path / "run"
    assert lives.live(config, calm) == 0, lives.log_of(calm)
    # The initial set is one append; the 15th stands in the middle of the second batch of ten.
    fault = Fault("autoal.rundir.ledger:Ledger.append", 15, action)
    assert lives.live(config, run, faults=[fault]) == -signal.SIGKILL
    held = len((run / "ledger.jsonl").read_text().splitlines())
    assert held == 21 + 10 + 3 + (action == "kill_after")
    again = Fault("autoal.rundir.ledger:Ledger.append", 3, action)
    assert lives.live(config, run, resume=True, faults=[again]) == -signal.SIGKILL, lives.log_of(run)
    assert lives.live(config, run, resume=True) == 0, lives.log_of(run)
    assert lives.outcome(run) == lives.outcome(calm)


def test_each_label_is_a_purchase_of_its_own(tmp_path: Path) -> None:
    config = lives.config("strategy=galaxy", "loop.n_rounds=1")
    assert lives.live(config, tmp_path / "run") == 0, lives.log_of(tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run/ledger.jsonl").read_text().splitlines()]
    bought = [line for line in lines if line["source"] == "query"]
    assert len(bought) == 10
    assert {(line["round"], line["strategy"]) for line in bought} == {(1, "galaxy")}
    assert [line["time"] for line in bought] == sorted(line["time"] for line in bought)
    assert all(isinstance(line["score"], float) for line in bought)


@pytest.mark.ddp
def test_two_ranks_buy_the_same(tmp_path: Path) -> None:
    setting = ("loop.n_query=7", "loop.n_rounds=2", "trainer.precision=64-true")
    configs = {name: lives.config(f"strategy={name}", *setting) for name in NAMES}
    for size in (1, 2):
        assert lives.live_on_ranks(configs, tmp_path / f"on{size}", size) == [0] * size
    for name in NAMES:
        assert lives.bought(tmp_path / "on2" / name) == lives.bought(tmp_path / "on1" / name)


@pytest.mark.parametrize("name", NAMES)
def test_refused_where_nobody_answers_at_once(name: str) -> None:
    class Later(Oracle):
        answers_at_once = False

    check_oracle(build(name), Oracle(torch.zeros(3)))
    with pytest.raises(AutoALError, match=f"'{name}' asks for labels one by one"):
        check_oracle(build(name), Later(torch.zeros(3)))
    with pytest.raises(AutoALError, match="can't be a candidate"):
        build({"name": "albl", "candidates": ["margin", name]})
    strategy = build(name)
    with pytest.raises(RuntimeError, match="nobody is there to ask"):
        strategy.query(replace(tiny_context(tiny_task(), strategy), answer=None), 3)
