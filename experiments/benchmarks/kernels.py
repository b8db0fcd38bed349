"""Time the selection kernels against plain implementations and against scikit-activeml.

Every measurement runs in a process of its own, on inputs that this program wrote to a temporary folder, and
reports seconds, the peak of resident memory during the call, and passes over the features where the kernel counts
them. A peer whose cost per pick is constant is run for fewer picks; its seconds are then scaled and marked so.
On a machine that others use too, ``--threads 1`` gives steadier ratios than threads that wait for each other.

    python -m experiments.benchmarks.kernels                          # synthetic embeddings
    python -m experiments.benchmarks.kernels --data-root DIR          # also random features of MNIST
    python -m experiments.benchmarks.kernels --quick                  # a tenth of the rows, for a first look
"""

from __future__ import annotations

import argparse
import csv
import datetime
import gzip
import importlib.metadata
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autoal import kernels
from autoal.kernels.alfamix import candidate_rows
from autoal.kernels.alfamix_search import Mixing, class_means, loop_search, ray_search
from experiments.benchmarks import bait, coverage

RESULTS = Path(__file__).parent / "results" / "kernels.csv"
PICKS = 1000
DIM = 512
COLUMNS = [
    "case", "implementation", "data", "rows", "dim", "classes", "picks", "dtype", "device", "seconds",
    "cpu_seconds", "times_slower", "scaled_from_picks", "passes", "peak_mib", "peak_over_inputs", "total_gib",
    "check", "date", "machine", "threads", "load", "versions", "commit",
]  # fmt: skip


# --- inputs ------------------------------------------------------------------------------------------------


def write_clusters(path: Path, rows: int, dtype: type, seed: int = 0) -> None:
    """Points around 200 centres, written in blocks so that a million rows never exist twice."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((200, DIM), dtype=np.float32)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(rows, DIM))
    for low in range(0, rows, 20_000):
        count = min(20_000, rows - low)
        noise = 0.7 * rng.standard_normal((count, DIM), dtype=np.float32)
        out[low : low + count] = centres[rng.integers(200, size=count)] + noise
    out.flush()


def write_logits(path: Path, features: Path, classes: int, seed: int = 1) -> None:
    """Logits of a random linear head: a mixture of sure and unsure samples."""
    rng = np.random.default_rng(seed)
    x = np.load(features, mmap_mode="r")
    weight = (3 * rng.standard_normal((classes, DIM)) / DIM**0.5).astype(np.float32)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=x.dtype, shape=(len(x), classes))
    for low in range(0, len(x), 20_000):
        out[low : low + 20_000] = x[low : low + 20_000].astype(np.float32) @ weight.T
    out.flush()
    np.save(path.with_suffix(".head.npy"), weight)


def write_mnist(path: Path, root: Path, rows: int) -> bool:
    """ReLU random features of the MNIST training images; False if the files are not there."""
    for name in ("MNIST/raw/train-images-idx3-ubyte", "train-images-idx3-ubyte"):
        for file, opener in ((root / name, open), (root / f"{name}.gz", gzip.open)):
            if file.exists():
                with opener(file, "rb") as stream:
                    images = np.frombuffer(stream.read(), np.uint8, offset=16).reshape(-1, 784)
                x = images[:rows].astype(np.float32) / 255
                rng = np.random.default_rng(0)
                weight = rng.standard_normal((784, DIM), dtype=np.float32) / 28
                bias = 0.1 * rng.standard_normal(DIM, dtype=np.float32)
                np.save(path, np.maximum(x @ weight + bias, 0))
                return True
    return False


# --- peers -------------------------------------------------------------------------------------------------


def plain_kcenter(x: Tensor, n: int, first: int, products: bool) -> list[int]:
    """One pass over the features per pick, by differences or by a matrix-vector product with known norms."""
    norms = x.square().sum(1) if products else None
    nearest = torch.full((len(x),), torch.inf, dtype=x.dtype)
    picks = [first]
    while len(picks) < n:
        last = x[picks[-1]]
        distance = (x - last).square().sum(1) if norms is None else norms + norms[picks[-1]] - 2 * (x @ last)
        nearest = torch.minimum(nearest, distance)
        picks.append(int(nearest.argmax()))
    return picks


def explicit_badge(logits: Tensor, x: Tensor, n: int, generator: torch.Generator) -> list[int]:
    """Gradients written out, one matrix-vector product with them per pick."""
    residual = torch.softmax(logits, 1)
    residual[torch.arange(len(x)), logits.argmax(1)] -= 1
    gradients = (residual[:, :, None] * x[:, None, :]).flatten(1)
    norms = gradients.square().sum(1)
    picks = [int(norms.argmax())]
    nearest = torch.full_like(norms, torch.inf)
    while len(picks) < n:
        distance = norms + norms[picks[-1]] - 2 * (gradients @ gradients[picks[-1]])
        nearest = torch.minimum(nearest, distance.clamp(min=0))
        picks.append(int(torch.multinomial(nearest, 1, generator=generator)))
    return picks


def oracle_check(x: Tensor, picks: list[int]) -> str:
    """Compare with the float64 greedy algorithm, following the picks through verified ties."""
    wide = x.double()
    norms = wide.square().sum(1)
    nearest = torch.full((len(x),), torch.inf, dtype=torch.float64)
    ties = 0
    for last, pick in itertools.pairwise(picks):
        nearest = torch.minimum(nearest, norms + norms[last] - 2 * (wide @ wide[last]))
        best = int(nearest.argmax())
        if best != pick:
            gap = float(nearest[best] - nearest[pick]) / float(nearest[best])
            if gap > 1e-6:
                return f"differs from the float64 oracle at a relative gap of {gap:.1e}"
            ties += 1
    return f"float64 oracle: identical, {ties} verified ties"


# --- measuring ---------------------------------------------------------------------------------------------


def memory(key: str) -> int:
    """A number of bytes from the kernel's account of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    return 0


def measured(call: Callable[[], Any], repeats: int = 1) -> tuple[Any, dict[str, float]]:
    """Run ``call``; median seconds, and the peak of resident memory above what was there before."""
    seconds, cpu, result = [], 0.0, None
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    for _ in range(repeats):
        result = None
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        start, busy = time.perf_counter(), time.process_time()
        result = call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
        cpu = time.process_time() - busy
    peak = memory("VmHWM")
    return result, {
        "seconds": sorted(seconds)[len(seconds) // 2],
        "cpu": cpu,
        "extra": peak - before,
        "total": peak,
    }


def scaled(call: Callable[[int], Any], n: int, full: int) -> dict[str, float]:
    """Cost of ``full`` picks of a peer whose cost per pick is constant, from runs with 2 and with ``n`` picks.

    Two runs separate what is done once from what every pick costs.
    """
    _, few = measured(lambda: call(2))
    _, many = measured(lambda: call(n))
    for key in ("seconds", "cpu"):
        many[key] = few[key] + (many[key] - few[key]) / (n - 2) * (full - 2)
    return many


def progress(done: int, total: int) -> None:
    """Show that something long is alive."""
    if sys.stderr.isatty():
        print(f"\r  {done}/{total} ", end="", file=sys.stderr, flush=True)


def head_of(folder: Path, data: str, classes: int, device: str) -> tuple[Tensor, Tensor]:
    """The head that made the logits."""
    weight = torch.from_numpy(np.load(folder / f"{data}.{classes}.head.npy")).to(device)
    return weight, torch.zeros(classes, device=device)


def run_case(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    """One measurement, in this process."""
    case, who, data, classes = spec["case"], spec["implementation"], spec["data"], spec["classes"]
    device, n = spec["device"], spec["picks"]
    x = torch.from_numpy(np.load(folder / f"{data}.npy")).to(device)
    logits = torch.from_numpy(np.load(folder / f"{data}.{classes}.npy")).to(device) if classes else x[:, :0]
    generator = torch.Generator().manual_seed(0)
    small, small_logits = x[:64].float(), torch.randn(64, 5, generator=generator).to(device)
    kernels.kcenter(small, 8)  # loads libraries and starts threads before anything is counted
    kernels.badge(small_logits, small, 8, generator)
    row: dict[str, Any] = {"rows": len(x), "dim": DIM, "dtype": str(x.dtype).removeprefix("torch.")}
    inputs = x.nbytes + logits.nbytes
    log: dict[str, float] = {}
    repeats = 3 if len(x) <= 100_000 and who == "autoal" else 1

    if (case, who) == ("kcenter", "autoal"):
        picks, cost = measured(lambda: kernels.kcenter(x, n, progress=progress), repeats)
        log = picks.log
        if spec.get("check"):
            row["check"] = oracle_check(x, picks.index.tolist())
    elif case == "kcenter" and who.startswith("plain"):
        cost = scaled(lambda k: plain_kcenter(x, k, 0, who.endswith("products")), n, spec["full"])
    elif (case, who) == ("kcenter", "scikit-activeml"):
        from skactiveml.pool import CoreSet

        y = np.full(len(x), np.nan)
        y[0] = 0
        wide = x.numpy()
        _, cost = measured(lambda: CoreSet(random_state=0).query(wide, y, batch_size=n))
        row["check"] = f"not scaled: {n} picks alone"
    elif (case, who) == ("badge", "autoal"):
        picks, cost = measured(lambda: kernels.badge(logits, x, n, generator, progress), repeats)
        log = picks.log
    elif (case, who) == ("badge", "plain"):
        cost = scaled(lambda k: explicit_badge(logits, x, k, generator), n, spec["full"])
    elif (case, who) == ("badge", "scikit-activeml"):
        # The set-up takes so long that a few picks do not show above its noise: reported as measured.
        _, cost = measured(lambda: skactiveml_badge(x.numpy(), logits.numpy(), n))
        row["check"] = f"not scaled: {n} picks alone"
    elif case in coverage.CASES:
        row["dim"] = coverage.columns(case)
        cost, log, row["check"], inputs = coverage_case(x, spec)
    elif case == "bait":
        row["dim"] = bait.BAIT_DIM
        cost, log, row["check"] = bait_case(x, logits, spec)
        inputs = inputs * bait.BAIT_DIM // DIM
    elif case == "alfamix search":
        task = alfamix_mixing(x, logits, *head_of(folder, data, classes, device))
        if who == "autoal":
            search, cost = measured(lambda: ray_search(task), repeats)
            rows, _ = candidate_rows(search.cap, len(x), 0.2, exact=True)
        else:
            search, cost = measured(lambda: loop_search(task, len(x), 0.2, progress))
            rows, _ = candidate_rows(search.cap, len(x), 0.2, exact=False)
            ray = ray_search(task).cap
            other = set(candidate_rows(ray, len(x), 0.2, exact=True)[0].tolist()) ^ set(rows.tolist())
            left = torch.tensor(sorted(other), dtype=torch.int64)
            # The one documented exception: a coordinate where an anchor and the sample agree exactly.
            agree = torch.stack([(x[left] == a).any(1) for a in task.anchors]).any(0)
            unexplained = left[~agree]
            worst = max((abs(float(ray[i]) - 1.0) for i in unexplained), default=0.0)
            row["check"] = (
                f"{len(left)} of {len(rows)} candidates differ, {int(agree.sum())} of them with a coordinate "
                f"equal to an anchor's, {len(unexplained)} otherwise (within {worst:.0e} of the cap)"
            )
        log = {"candidates": float(len(rows))}
    elif case == "alfamix":
        task = alfamix_mixing(x, logits, *head_of(folder, data, classes, device))
        labelled = (x[::50].float()[:1000], logits[::50].argmax(1)[:1000])
        batch = 16_384 if len(x) > 100_000 else None
        picks, cost = measured(
            lambda: kernels.alfamix(
                x,
                logits,
                *labelled,
                task.weight,
                task.bias,
                n,
                generator,
                max_iter=50 if batch else 300,
                batch_size=batch,
                progress=progress,
            )
        )
        log = picks.log
    else:
        picks, cost = measured(lambda: other_kernel(case, x, logits, n, generator))
        log = picks.log if isinstance(picks, kernels.Picks) else {}

    row |= {
        "seconds": cost["seconds"],
        "cpu_seconds": cost["cpu"],
        "peak_mib": round(cost["extra"] / 2**20, 1),
        "peak_over_inputs": round((inputs + cost["extra"]) / inputs, 3),
        "total_gib": round(cost["total"] / 2**30, 2),
        "passes": int(log["passes"]) if "passes" in log else "",
    }
    if "candidates" in log and "check" not in row:
        row["check"] = f"{int(log['candidates'])} candidates"
    return row


def coverage_case(x: Tensor, spec: dict[str, Any]) -> tuple[dict[str, float], dict[str, float], str, int]:
    """A coverage kernel on some of the columns: cost, log, what a check said, and the size of the features."""
    case, n = spec["case"], spec["picks"]
    z = x[:, : coverage.columns(case)].contiguous()
    if spec["implementation"] == "plain":
        return scaled(lambda k: coverage.plain_herding(z, k), n, spec["full"]), {}, "", z.nbytes
    coverage.run(case, z[:3000], 8, lambda done, total: None)  # the libraries' own memory is no kernel's
    picks, cost = measured(lambda: coverage.run(case, z, n, progress))
    check = ""
    if "evaluations" in picks.log:
        columns = picks.log["evaluations"]
        check = f"{columns:.0f} columns evaluated, {len(z) * n / columns:.0f} times fewer"
    if spec.get("check") and case == "herding":
        check = f"{coverage.oracle_check(z, picks.index.tolist())}, {check}"
    return cost, picks.log, check, z.nbytes


def bait_case(x: Tensor, logits: Tensor, spec: dict[str, Any]) -> tuple[dict[str, float], dict[str, float], str]:
    """Binary BAIT on 384 columns: cost, log and what a check said."""
    data, n = bait.parts(x, logits), spec["picks"]
    if spec["implementation"] == "autoal":
        repeats = 3 if len(x) <= 100_000 else 1
        picks, cost = measured(
            lambda: kernels.bait(data[0], data[1], n, data[2], data[3], progress=progress), repeats
        )
        check = f"{int(picks.log['checked'])} rows checked in float64"
        if spec.get("check"):
            check = f"{bait.compared(picks.index.tolist(), bait.oracle_bait(data, n))}, {check}"
        return cost, picks.log, check
    # Twice as many samples are added as are kept; what the peer's removal would cost is left out.
    return scaled(lambda steps: bait.plain_bait(data, spec["full"], steps), n, 2 * spec["full"]), {}, ""


def other_kernel(case: str, x: Tensor, logits: Tensor, n: int, generator: torch.Generator) -> Any:
    """The kernels that are only run for their own cost."""
    return {
        "kcenter_pca": lambda: kernels.kcenter_pca(x, n, progress=progress),
        "kmeans mini-batch": lambda: kernels.kmeans(x, n, generator, max_iter=50, batch_size=16_384),
        "diverse_minibatch": lambda: kernels.diverse_minibatch(logits, x, n, generator, progress=progress),
        "cdal": lambda: kernels.cdal(logits, n, progress=progress),
        "margin": lambda: kernels.top_n(kernels.margin(logits), n),
        "entropy": lambda: kernels.top_n(kernels.entropy(logits), n),
        "bald, 10 samples": lambda: kernels.top_n(kernels.bald(logits.expand(10, -1, -1)), n),
    }[case]()


def alfamix_mixing(x: Tensor, logits: Tensor, weight: Tensor, bias: Tensor) -> Mixing:
    """A thousand samples with their predicted labels stand for the labelled set."""
    dtype = torch.float32
    means = class_means(x[::50][:1000], logits[::50].argmax(1)[:1000], len(bias)).to(dtype)
    return Mixing(x, logits.argmax(1), means, weight, bias)


def skactiveml_badge(x: np.ndarray, logits: np.ndarray, n: int) -> Any:
    """scikit-activeml's Badge with ready probabilities instead of a classifier that it would train."""
    from skactiveml.base import SkactivemlClassifier
    from skactiveml.pool import Badge

    class Ready(SkactivemlClassifier):
        def fit(self, X: Any, y: Any) -> Any:
            return self

        def predict_proba(self, X: Any) -> Any:
            e = np.exp(logits - logits.max(1, keepdims=True))
            return e / e.sum(1, keepdims=True), x

    y = np.full(len(x), np.nan)
    classes = list(range(logits.shape[1]))
    return Badge(random_state=0).query(x, y, Ready(classes=classes), fit_clf=False, batch_size=n)


# --- the plan ----------------------------------------------------------------------------------------------


def plan(quick: bool, mnist: bool) -> list[dict[str, Any]]:
    """Every measurement, the implementation under test before its peers."""
    small = ["clusters", *(["mnist"] if mnist else [])]
    out: list[dict[str, Any]] = []

    def add(case: str, who: str, data: str, classes: int = 0, picks: int = PICKS, **more: Any) -> None:
        n = max(5, picks // 10) if quick else picks
        full = PICKS // 10 if quick else PICKS
        spec = {"case": case, "implementation": who, "data": data, "classes": classes, "picks": n, "full": full}
        out.append({**spec, "device": "cpu", **more})

    for data in small:
        add("kcenter", "autoal", data, check=True)
        add("kcenter", "plain, differences", data, picks=50)
        add("kcenter", "plain, products", data, picks=100)
        add("kcenter", "scikit-activeml", data, picks=8)
    for data in small:
        for classes in (10, 100):
            add("badge", "autoal", data, classes)
            if classes == 10:  # with 100 classes the gradients alone would take 10 GB
                add("badge", "plain", data, classes, picks=20)
                add("badge", "scikit-activeml", data, classes, picks=4)
    add_bait(add, 10 if quick else 1)
    add("herding", "autoal", "clusters", check=True)
    add("herding", "plain", "clusters", picks=30 if quick else 3)
    for case in ("probcover", "typiclust"):
        add(case, "autoal", "clusters")
    add("herding, 50,000 targets", "autoal", "million", picks=100, full=10 if quick else 100)
    for data in small:
        add("alfamix search", "autoal", data, 10)
        add("alfamix search", "published loop", data, 10)
        add("alfamix", "autoal", data, 10)
    for case, classes in [
        ("kcenter", 0), ("kcenter_pca", 0), ("badge", 10), ("alfamix", 10), ("diverse_minibatch", 10),
        ("kmeans mini-batch", 0), ("cdal", 10), ("margin", 10), ("entropy", 10), ("bald, 10 samples", 10),
    ]:  # fmt: skip
        add(case, "autoal", "million", classes)
    if torch.cuda.is_available():
        for data in ("clusters", "imagenet"):
            for case, classes in [("kcenter", 0), ("badge", 10), ("alfamix", 10), ("cdal", 10)]:
                add(case, "autoal", data, classes, device="cuda")
    return out


def add_bait(add: Callable[..., None], scale: int) -> None:
    """Binary BAIT: 100 picks of 50,000 and of a million rows, 384 columns."""
    full = bait.BAIT_PICKS // scale
    add("bait", "autoal", "clusters", 10, picks=bait.BAIT_PICKS, full=full, check=True)
    add("bait", "plain", "clusters", 10, picks=6 * scale, full=full)
    add("bait", "autoal", "million", 10, picks=bait.BAIT_PICKS, full=full)


def machine() -> str:
    """Processor, cores and, where there is one, the accelerator."""
    info = Path("/proc/cpuinfo")
    model = platform.processor() or platform.machine()
    if info.exists():
        model = next((s.split(":")[1].strip() for s in info.read_text().splitlines() if "model name" in s), model)
    gpu = f" + {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{model}, {os.cpu_count()} cores{gpu}"


def environment() -> dict[str, Any]:
    """What a reader needs to compare the numbers with others."""
    names = ("torch", "numpy", "scikit-learn", "scikit-activeml")
    versions = [f"python {platform.python_version()}"]
    for name in names:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "versions": "; ".join(versions),
        "commit": commit,
    }


def main() -> None:
    """Write inputs, run every case in its own process, print a table and write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, help="folder with the raw MNIST files")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows and picks")
    parser.add_argument("--only", default="", help="run only cases whose name contains this")
    parser.add_argument(
        "--inputs", default="", help="run only on these inputs: clusters, mnist, million, imagenet"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="the CSV file to write")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of every implementation")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(args.threads)  # for the cases
    if args.case:
        print(json.dumps(run_case(json.loads(args.case), args.folder)))
        return
    scale = 10 if args.quick else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mnist = args.data_root is not None and write_mnist(folder / "mnist.npy", args.data_root, 50_000 // scale)
        if not mnist:
            print("no --data-root with MNIST: synthetic embeddings only")
        specs = [s for s in plan(args.quick, mnist) if args.only in s["case"] and args.inputs in ("", s["data"])]
        sizes = {"clusters": 50_000, "million": 1_000_000, "imagenet": 1_280_000}
        for data in {s["data"] for s in specs}:
            file = folder / f"{data}.npy"
            if data in sizes:
                half = np.float16 if sizes[data] > 100_000 else np.float32
                write_clusters(file, sizes[data] // scale, half)
            for classes in {s["classes"] for s in specs if s["data"] == data} - {0}:
                write_logits(folder / f"{data}.{classes}.npy", file, classes)
        run_all(specs, folder, None if args.quick else args.out)


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write what has been measured so far."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def run_all(specs: list[dict[str, Any]], folder: Path, out: Path | None) -> None:
    """Run the cases one after the other; a case that fails is reported and the others go on."""
    rows: list[dict[str, Any]] = []
    ours: dict[tuple[Any, ...], float] = {}
    fixed = environment()
    print(fixed["machine"], "|", fixed["versions"])
    for spec in specs:
        threads = str(torch.get_num_threads())
        command = [
            sys.executable,
            "-m",
            "experiments.benchmarks.kernels",
            "--threads",
            threads,
            "--case",
            json.dumps(spec),
            "--folder",
            str(folder),
        ]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            print(f"{spec['case']} / {spec['implementation']} failed with status {done.returncode}")
            continue
        row = {k: v for k, v in spec.items() if k in COLUMNS} | json.loads(done.stdout.splitlines()[-1]) | fixed
        row["load"] = round(os.getloadavg()[0], 2)
        key = (spec["case"], spec["data"], spec["classes"], spec["device"])
        if row["picks"] != spec["full"] and "not scaled" not in row.get("check", ""):
            row["scaled_from_picks"], row["picks"] = row["picks"], spec["full"]
        ours.setdefault(key, row["seconds"])
        row["times_slower"] = round(row["seconds"] / ours[key], 2) if row["picks"] == spec["full"] else ""
        row["seconds"], row["cpu_seconds"] = round(row["seconds"], 4), round(row["cpu_seconds"], 4)
        rows.append(row)
        if out is not None:
            write_csv(out, rows)
        print(
            f"{row['case']:18} {row['implementation']:18} {row['data']:9} C={row['classes']:<4} {row['device']:5}"
            f"{row['seconds']:10.2f} s  x{row['times_slower']:<8} +{row['peak_mib']:.0f} MiB"
            f" ({row['peak_over_inputs']:.2f} of inputs)  passes {row['passes'] or '-'}  {row.get('check', '')}",
            flush=True,
        )


if __name__ == "__main__":
    main()
