"""Seconds that a report over many synthetic runs takes, and that its page needs to open.

Run with ``python -m experiments.benchmarks.report [--runs 2000] [--rounds 20] [--labels 100] [--browser]``.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from autoal.analysis.report import Options, make_report
from tests.analysis.trees import write_tree


def open_page(page: Path) -> float:
    """Seconds from the request to the first drawn chart in headless Chromium."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    flags = (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
    )
    with tempfile.TemporaryDirectory() as profile:
        for flag in (*flags, "disable-component-update", "disable-sync", f"user-data-dir={profile}"):
            options.add_argument(f"--{flag}")
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        start = time.perf_counter()
        driver.get(page.as_uri())
        while not driver.execute_script("return document.querySelector('#chart-curves[data-drawn]') !== null"):
            time.sleep(0.01)
        seconds = time.perf_counter() - start
        driver.quit()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--labels", type=int, default=100, help="labels bought per round")
    parser.add_argument("--strategies", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--browser", action="store_true", help="also time the page in headless Chromium")
    args = parser.parse_args()

    named = ["random", "entropy", "margin", "coreset", "badge", "alfamix", "autoal"]
    strategies = (named + [f"strategy{i}" for i in range(100)])[: args.strategies]
    settings = max(1, args.runs // (len(strategies) * args.seeds))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for index in range(settings):
            write_tree(
                root / "runs",
                datasets=(f"data{index // 2}",),
                backbones=(("cnn", "resnet18")[index % 2],),
                strategies=strategies,
                seeds=range(args.seeds),
                rounds=args.rounds,
                n_init=args.labels,
                n_query=args.labels,
                pool=max(1400, 10 * args.labels * args.rounds),
            )
        count = settings * len(strategies) * args.seeds
        print(f"{count} runs, {settings} settings, {args.rounds} rounds, {args.labels} labels per round")
        start, processor = time.perf_counter(), time.process_time()
        report = make_report([root / "runs"], root / "report", Options())
        wall, processor = time.perf_counter() - start, time.process_time() - processor
        size = report.page.stat().st_size / 1e6
        print(f"report: {wall:.1f} s ({processor:.1f} s of processor time), page {size:.1f} MB")
        if args.browser:
            print(f"page open to first chart: {open_page(report.page):.2f} s")


if __name__ == "__main__":
    main()
