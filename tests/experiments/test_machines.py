"""Numbers say on what they were measured: the processor and its threads."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from autoal.run.study_results import collect
from autoal.run.study_runs import Setting
from tests.documented.pages import ROOT

MEASURED = sorted(p.parent.parent for p in (ROOT / "experiments").glob("*/results/*.csv"))
PAGES = [*dict.fromkeys(folder / "README.md" for folder in MEASURED)]
PAGES += [ROOT / "README.md", ROOT / "docs" / "does_the_search_pay.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_with_numbers_names_processor_and_threads(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert any(name in text for name in ("Xeon", "EPYC")), "no processor"
    assert "thread" in text


def test_pages_of_curves_lead_to_what_another_machine_changes() -> None:
    text = (ROOT / "experiments" / "mnist_study" / "README.md").read_text(encoding="utf-8")
    assert "\n### On another machine\n" in text
    pages = [page for page in PAGES if page.parent.name in ("digits_study", "baselines_study", "docs", ROOT.name)]
    assert len(pages) == 4
    for page in pages:
        assert "mnist_study/README.md#on-another-machine" in page.read_text(encoding="utf-8"), page


def test_new_rows_say_threads_and_cpu(tmp_path: Path) -> None:
    run = tmp_path / "runs/s/random/seed=0"
    run.mkdir(parents=True)
    summary = {"status": "finished", "recipe": "0001", "threads": 3, "cpu": "A Processor"}
    (run / "summary.json").write_text(json.dumps(summary))
    (run / "rounds.csv").write_text("round,n_labeled,test_acc\n0,10,0.1\n")
    assert collect([Setting("s", (), ("random",), (0,))], tmp_path / "runs", tmp_path / "results") == {"s": 1}
    with (tmp_path / "results/s.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["threads"], row["cpu"]) == ("3", "A Processor")
