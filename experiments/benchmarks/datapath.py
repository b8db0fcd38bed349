"""Images per second of the data path against a torchvision dataset behind a DataLoader.

Training input is CIFAR-10-sized: crop with 4 pixels of padding, flip, normalise. The plain path decodes
nothing either: its dataset holds arrays and makes PIL images of them, as torchvision's CIFAR10 does. File
input is JPEG photographs resized to 224x224. Both sides get the same number of cores: loader processes on
one side, threads on the other. Sides alternate, and the best of the repeats counts. On a machine that others
use too, wall time says little; images per second of processor time, of all processes together, says what the
path costs.

    python -m experiments.benchmarks.datapath                 # this machine's best device
    python -m experiments.benchmarks.datapath --device cpu --cores 2
    python -m experiments.benchmarks.datapath --quick         # a first look in a minute
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import transforms

from autoal.data.augment import HorizontalFlip, RandomCrop
from autoal.data.base import DatasetInfo, SampleSource, TensorSource
from autoal.data.cache import cached
from autoal.data.images import Decoder, ImageFiles
from autoal.data.loader import EvalLoader, TrainLoader
from autoal.data.transforms import InputTransform
from autoal.models.build import ClassifierFactory
from autoal.rng import generator
from autoal.run.machine import machine

RESULTS = Path(__file__).parent / "results" / "datapath.csv"
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
INFO = DatasetInfo("benchmark", (3, 32, 32), 10, MEAN, STD)
COLUMNS = [
    "case", "path", "images_per_second", "times_plain", "images_per_cpu_second", "times_plain_cpu",
    "waiting_percent", "device", "cores", "batch_size", "images", "repeats", "load", "machine", "versions", "date",
]  # fmt: skip


class Arrays(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """What torchvision's CIFAR10 does for each image, on random pixels."""

    def __init__(self, images: np.ndarray, transform: Callable[[Image.Image], Tensor]) -> None:
        self.images = images
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[row])), row % 10


class Files(Arrays):
    """What torchvision's ImageFolder does for each image."""

    def __init__(self, paths: list[Path], transform: Callable[[Image.Image], Tensor]) -> None:
        self.paths = paths
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        with Image.open(self.paths[row]) as image:
            return self.transform(image.convert("RGB")), row % 10


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def plain(dataset: Any, batch_size: int, cores: int, device: torch.device, shuffle: bool) -> Iterator[Tensor]:
    # Workers persist and the first batch starts the clock, so starting processes is not counted.
    loader = DataLoader(
        dataset,
        batch_size,
        shuffle=shuffle,
        num_workers=cores,
        pin_memory=device.type == "cuda",
        prefetch_factor=4,
    )
    for inputs, _ in loader:
        yield inputs.to(device, non_blocking=True)


def ours(
    source: SampleSource, transform: InputTransform, n: int, batch_size: int, device: torch.device, prefetch: int
) -> Iterator[Tensor]:
    ids = torch.arange(n)
    order = generator(0, "order", 0)
    for batch in TrainLoader(source, ids, ids % 10, batch_size, order, epoch_key=1, prefetch=prefetch):
        raw = batch.inputs.to(device, non_blocking=True)
        yield transform.train(raw, batch.epoch_key, batch.ids.to(device))


def ours_pool(
    source: SampleSource, transform: InputTransform, n: int, batch_size: int, device: torch.device, prefetch: int
) -> Iterator[Tensor]:
    for raw in EvalLoader(source, torch.arange(n), batch_size, prefetch=prefetch):
        yield transform.eval(raw.to(device, non_blocking=True))


class Rate(NamedTuple):
    """Images per second of wall time, and per second of processor time of this process and its workers."""

    wall: float
    cpu: float


def cpu_seconds() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in usage)


def rate(batches: Iterable[Tensor], device: torch.device) -> Rate:
    """Measure wall time from the second batch on, and processor time of everything."""
    seen, first, start = 0, 0, 0.0
    cpu = cpu_seconds()
    for i, batch in enumerate(batches):
        if i == 0:
            synchronise(device)
            start, first = time.perf_counter(), len(batch)
        seen += len(batch)
    synchronise(device)
    return Rate((seen - first) / (time.perf_counter() - start), seen / (cpu_seconds() - cpu))


def alternate(
    sides: dict[str, Callable[[], Iterable[Tensor]]], repeats: int, device: torch.device
) -> dict[str, Rate]:
    """Return the best rates of each side, measured in turns."""
    best = dict.fromkeys(sides, Rate(0.0, 0.0))
    for _ in range(repeats):
        for name, make in sides.items():
            new = rate(make(), device)
            best[name] = Rate(max(best[name].wall, new.wall), max(best[name].cpu, new.cpu))
    return best


def small_images(args: argparse.Namespace, device: torch.device) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (args.images, 32, 32, 3), dtype=np.uint8)
    source = TensorSource(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()).to(device)
    normalise = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    crop_flip = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), *normalise]
    transform = InputTransform(INFO, [RandomCrop(4), HorizontalFlip()])
    n, cores = args.images, args.cores
    rows = []
    for case, size, sides in (
        (
            "train: crop + flip, 32x32",
            args.batch_size,
            {
                "torchvision + DataLoader": lambda: plain(
                    Arrays(images, transforms.Compose(crop_flip)), args.batch_size, cores, device, True
                ),
                "autoal": lambda: ours(source, transform, n, args.batch_size, device, 0),
            },
        ),
        (
            "pool pass, 32x32",
            1024,
            {
                "torchvision + DataLoader": lambda: plain(
                    Arrays(images, transforms.Compose(normalise)), 1024, cores, device, False
                ),
                "autoal": lambda: ours_pool(source, transform, n, 1024, device, 0),
            },
        ),
    ):
        rows += table(case, size, n, alternate(sides, args.repeats, device))
    return rows


def photographs(args: argparse.Namespace, device: torch.device, folder: Path) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    n = max(args.images // 50, 400)
    paths = []
    for i in range(n):
        # Smooth noise compresses about as well as a photograph does.
        coarse = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        paths.append(folder / f"{i}.jpg")
        coarse.resize((400, 300), Image.Resampling.BICUBIC).save(paths[-1], quality=90)
    steps = [
        transforms.Resize(224),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
    files = ImageFiles(paths, Decoder(3, (224, 224)), (3, 224, 224), workers=args.cores)
    decoded = cached(files, folder / "cache")
    transform = InputTransform(DatasetInfo("benchmark", (3, 224, 224), 10, MEAN, STD))
    dataset = Files(paths, transforms.Compose(steps))
    sides: dict[str, Callable[[], Iterable[Tensor]]] = {
        "torchvision + DataLoader": lambda: plain(dataset, 32, args.cores, device, False),
        "autoal, decoding": lambda: ours_pool(files, transform, n, 32, device, 2),
        "autoal, decoded once (cache: true)": lambda: ours_pool(decoded, transform, n, 32, device, 2),
    }
    return table("JPEG files to 224x224", 32, n, alternate(sides, args.repeats, device))


def training(args: argparse.Namespace, device: torch.device) -> list[dict[str, Any]]:
    """Train resnet18 on the data path and on one batch that is always there; the difference is waiting."""
    gpu = device.type == "cuda"
    size, steps = (args.batch_size, 200) if gpu else (16, 4)
    config = {"_target_": "autoal.models.resnet.ResNet", "depth": 18, "stem": "cifar"}
    net = ClassifierFactory(config, INFO).build(0).to(device).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    transform = InputTransform(INFO, [RandomCrop(4), HorizontalFlip()])
    n = size * (steps + 1)
    pixels = torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=generator(0, "pixels"))
    source = TensorSource(pixels).to(device)
    fixed = transform.train(source.fetch(torch.arange(size)), 1, torch.arange(size, device=device))

    def train(batches: Iterable[Tensor]) -> Iterator[Tensor]:
        for x in batches:
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=gpu):
                loss = torch.nn.functional.cross_entropy(
                    net(x).logits, torch.zeros(len(x), dtype=torch.int64, device=device)
                )
            loss.backward()
            optimizer.step()
            yield x

    best = alternate(
        {
            "one fixed batch": lambda: train(fixed for _ in range(steps + 1)),
            "autoal": lambda: train(ours(source, transform, n, size, device, 0)),
        },
        args.repeats,
        device,
    )
    rows = table("resnet18 training step, 32x32", size, n, best)
    for row in rows:
        # A GPU waits in wall time; on a CPU the path shares the cores with the network, so its work counts.
        share = 1 - (row["times_plain"] if gpu else row["times_plain_cpu"])
        row["waiting_percent"] = round(100 * max(share, 0.0), 1)
    return rows


def table(case: str, batch_size: int, images: int, rates: dict[str, Rate]) -> list[dict[str, Any]]:
    first = next(iter(rates.values()))
    return [
        {
            "case": case,
            "path": path,
            "images_per_second": round(value.wall, 1),
            "times_plain": round(value.wall / first.wall, 3),
            "images_per_cpu_second": round(value.cpu, 1),
            "times_plain_cpu": round(value.cpu / first.cpu, 3),
            "waiting_percent": "",
            "batch_size": batch_size,
            "images": images,
        }
        for path, value in rates.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--cores", type=int, default=min(os.cpu_count() or 1, 16))
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--quick", action="store_true", help="a tenth of the images, two repeats")
    args = parser.parse_args()
    if args.quick:
        args.images, args.repeats = args.images // 10, 2
    torch.set_num_threads(args.cores)
    device = torch.device(args.device)
    with tempfile.TemporaryDirectory() as folder:
        rows = small_images(args, device) + photographs(args, device, Path(folder)) + training(args, device)
    common = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "cores": args.cores,
        "repeats": args.repeats,
        "load": round(os.getloadavg()[0], 1),
        "machine": machine("cpu", 1)["cpu"],
        "versions": f"torch {torch.__version__}, torchvision {torchvision.__version__}",
        "date": datetime.date.today().isoformat(),
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in rows:
            writer.writerow(row | common)
            rates = f"{row['images_per_second']:>10,.0f}/s {row['times_plain']:>7}x"
            cpu = f"{row['images_per_cpu_second']:>10,.0f}/cpu-s {row['times_plain_cpu']:>7}x"
            print(f"{row['case']:30} {row['path']:35} {rates} {cpu} {row['waiting_percent']}")


if __name__ == "__main__":
    main()
