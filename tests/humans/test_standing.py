"""What answers come to does not depend on their order among items, on repetitions, or on damage at the end."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoal.humans.agreement import cohen, fleiss
from autoal.humans.answers import Desk
from autoal.humans.standing import effort, standing
from tests.humans.test_sheets import NAMES, make_run

ANSWERS = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(["duck", "heron", "skip", "retract"]),
        st.sampled_from(["ann", "bob"]),
    ),
    max_size=25,
)


def as_answer(said: tuple[str, str, str]) -> dict[str, Any]:
    name, what, who = said
    action = what if what in ("skip", "retract") else "label"
    return {"id": name, "action": action, "label": what if action == "label" else None, "annotator": who}


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("property"))


@settings(max_examples=60, deadline=None)
@given(said=ANSWERS, seed=st.integers(0, 1000), torn=st.booleans())
def test_any_order_and_any_repetition_come_to_the_same(
    waiting: Path, said: list[tuple[str, str, str]], seed: int, torn: bool
) -> None:
    def outcome(answers: list[tuple[str, str, str]], whole: bool) -> Any:
        (waiting / "answers.jsonl").unlink(missing_ok=True)
        desk = Desk(waiting)
        if whole:
            for one in answers:
                desk.take([as_answer(one)])
        else:
            for one in answers:
                desk.take([as_answer(one)])
                desk.take([as_answer(one)])  # a message that came twice
        if torn and (waiting / "answers.jsonl").exists():
            with (waiting / "answers.jsonl").open("ab") as file:
                file.write(b'{"id": "a.png", "act')
        found = desk.latest()
        assert found is not None
        return (
            [(a.id, label) for a, label in found.taken],
            [a.id for a in found.skipped],
            [a.id for a in found.open],
            [a.id for a in found.disputed],
        )

    # The order of one person's words on one item counts; that between items and people does not.
    groups: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for one in said:
        groups.setdefault((one[0], one[2]), []).append(one)
    shuffled: list[tuple[str, str, str]] = []
    queues = list(groups.values())
    draw = random.Random(seed)
    queues = [list(q) for q in queues]
    while queues:
        queue = draw.choice(queues)
        shuffled.append(queue.pop(0))
        queues = [q for q in queues if q]
    expected = outcome(said, whole=True)
    assert outcome(shuffled, whole=False) == expected
    taken, skipped, open_, disputed = expected
    assert len(taken) + len(open_) + len(disputed) <= 4
    assert len({*[i for i, _ in taken], *skipped, *open_, *disputed}) == sum(
        map(len, (taken, skipped, open_, disputed))
    )


def test_effort_counts_answers_skips_and_pauses(waiting: Path) -> None:
    (waiting / "answers.jsonl").unlink(missing_ok=True)
    desk = Desk(waiting)
    for name, seconds in zip(NAMES, (2.0, 4.0, 6.0, 4000.0), strict=False):
        desk.take([{"id": name, "label": "duck", "annotator": "ann", "seconds": seconds}])
    desk.take([{"id": NAMES[0], "action": "skip", "annotator": "ann", "seconds": 1.0}])
    (query,) = desk.queries()
    assert effort(query, desk.answers()) == {
        "people_answers": 5.0,
        "people_skips": 1.0,
        "people_relabels": 1.0,
        "people_seconds": 2.0 + 4.0 + 6.0 + 3.0 + 1.0,
    }
    assert standing(query, desk.answers()).wanted == 4


def test_kappas_against_scikit_learn_and_by_hand() -> None:
    from sklearn.metrics import cohen_kappa_score

    draw = random.Random(0)
    votes = [{who: draw.choice("xyz") for who in "ab"} for _ in range(50)]
    n, _, kappa = cohen(votes, "a", "b")  # type: ignore[arg-type]
    assert n == 50
    assert kappa == pytest.approx(cohen_kappa_score([v["a"] for v in votes], [v["b"] for v in votes]))
    # The example of Fleiss 1971 as on Wikipedia: ten subjects, fourteen raters, five categories.
    table = [
        *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]),
        *([7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
    ]
    rows = [
        {str(i): str(k) for i, k in enumerate(k for k, n in enumerate(row) for _ in range(n))} for row in table
    ]
    assert fleiss(rows) == pytest.approx(0.210, abs=5e-4)  # type: ignore[arg-type]


def test_a_damaged_line_is_named(waiting: Path) -> None:
    (waiting / "answers.jsonl").write_text(json.dumps({"id": "a"}) + "\nnonsense\n")
    with pytest.raises(Exception, match="line 2 is damaged"):
        Desk(waiting).answers()
    (waiting / "answers.jsonl").unlink()
