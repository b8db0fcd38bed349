"""``autoal embed``: the features of a data set, computed once, for experiments that take seconds."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoal.errors import AutoALError, unknown_name

if TYPE_CHECKING:
    from autoal.data.base import Split
    from autoal.embedding.encoder import Encoder
    from autoal.embedding.store import Block, FeatureStore
    from autoal.embedding.views import ViewPlan

DEVICES = ("auto", "cpu", "cuda")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("dataset", help="a name from 'autoal list datasets', of images")
    parser.add_argument(
        "options",
        nargs="*",
        metavar="key=value",
        help="backbone=timm|torchvision|..., backbone.model=..., backbone.pretrained=true|PATH, and options of "
        "the dataset, e.g. path=photos; with --views also training.weak=... and training.strong=...",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the features; an unfinished one goes on"
    )
    parser.add_argument(
        "--views",
        type=int,
        default=0,
        metavar="N",
        help="also N weakly and N strongly augmented views of each training image, for training=fixmatch etc.",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the views (default 0)")
    parser.add_argument("--splits", help="parts to embed, e.g. train,test (default: all that the dataset has)")
    parser.add_argument("--root", type=Path, help="data directory (default: paths.data_dir of the configs)")
    parser.add_argument(
        "--size",
        type=int,
        metavar="PIXELS",
        help="scale images to this side, without the crop (default: as the model's own evaluation does)",
    )
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: every GPU, else the CPU")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="images at a time (default 64)")
    parser.add_argument(
        "--processes", type=int, metavar="N", help="default: one per GPU; on the CPU one, which uses all threads"
    )


def run(args: argparse.Namespace) -> int:
    """Embed what is missing and say what is there."""
    for name, least in (("batch_size", 1), ("processes", 1), ("size", 1), ("views", 0), ("seed", 0)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise AutoALError(f"--{name.replace('_', '-')} {value} is not {least} or more")
    config = _compose(args.dataset, args.options)
    from autoal.data.build import build_dataset, plain
    from autoal.data.loading import load_splits
    from autoal.embedding.encoder import build_encoder
    from autoal.embedding.progress import show
    from autoal.embedding.store import FeatureStore, rows_of
    from autoal.embedding.workers import EmbeddingJob, image_sources

    backbone, root = plain(config.backbone), Path(args.root or config.paths.data_dir).expanduser()
    encoder = build_encoder(backbone, args.size)
    if not backbone.get("pretrained"):
        print("note: backbone.pretrained is not set: the weights are random")
    dataset = build_dataset(config.dataset)
    splits = _chosen(load_splits(dataset, root), args.splits)
    _check_images(encoder, splits)
    views = _views(args, config)
    sources = image_sources(dataset, splits, views)
    made = _plan(args.dataset, splits, backbone, encoder) | ({"views": views.describe()} if views else {})
    with FeatureStore(args.out, made) as store:
        if not store.finished:
            blocks = store.missing(args.batch_size)
            total = sum(file.rows for file in store.files.values())
            job = EmbeddingJob(plain(config.dataset), backbone, root, args.size, store.files, views)
            found = _embed(args, job, encoder, sources, blocks)
            for block in show(found, total - rows_of(blocks), total):
                store.record(block)
            labels = {name: split.targets.cpu().numpy() for name, split in splits.items()}
            names = list(dataset.info.class_names)
            store.finish(
                labels, {"n_classes": dataset.info.n_classes, "class_names": names, "versions": _versions()}
            )
        _report(args.out, store)
    return 0


def _compose(dataset: str, words: Sequence[str]) -> Any:
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from autoal.config.command_line import choices, conf_dir
    from autoal.config.explain import explain

    names = choices("dataset")
    if dataset not in names:
        raise unknown_name("dataset", dataset, names)
    own = [w for w in words if w.partition("=")[0].partition(".")[0] in ("backbone", "dataset", "training")]
    if not any(word.startswith("backbone=") for word in own):
        raise AutoALError("which model? e.g. backbone=timm backbone.model=vit_small_patch14_dinov2.lvd142m")
    others = [f"dataset.{word}" for word in words if word not in own]
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            # Any of the methods that have views.
            return compose("train", overrides=[f"dataset={dataset}", "training=fixmatch", *others, *own])
    except (HydraException, OmegaConfBaseException) as error:
        raise AutoALError(explain(error)) from error


def _chosen(splits: dict[str, Split], names: str | None) -> dict[str, Split]:
    if names is None:
        return splits
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in splits:
            raise unknown_name("part in --splits", name, splits)
    return {name: splits[name] for name in splits if name in wanted}


def _views(args: argparse.Namespace, config: Any) -> ViewPlan | None:
    """Return the views that are asked for."""
    from autoal.data.build import plain
    from autoal.embedding.views import ViewPlan

    given = {kind: plain(config.training[kind]) for kind in ("weak", "strong")}
    if args.views == 0:
        for kind, augmentations in given.items():
            if augmentations is not None:
                raise AutoALError(f"training.{kind} changes views, and none are asked for; add --views 5")
        return None
    if args.splits is not None and "train" not in args.splits.split(","):
        raise AutoALError(f"--views are of the train part, which --splits {args.splits} leaves out")
    return ViewPlan.of(args.views, args.seed, plain(config.dataset.augment) or [], **given)


def _check_images(encoder: Encoder, splits: Mapping[str, Split]) -> None:
    """Refuse samples that are no images before anything is written."""
    import torch

    for split in splits.values():
        encoder.transform(split.source.fetch(torch.arange(1)))


def _plan(
    dataset: str, splits: Mapping[str, Split], backbone: Mapping[str, Any], encoder: Encoder
) -> dict[str, Any]:
    """Say what the features are made of: a resume must have the same."""
    from autoal.config.values import settings_of
    from autoal.data.fingerprint import split_digest
    from autoal.embedding.encoder import weights_digest
    from autoal.models.build import BackboneKeys

    # The place of the weights is none of their properties: their hash is.
    aside = ("_target_", "pretrained", *settings_of(BackboneKeys))
    return {
        "dataset": dataset,
        "model": {"backbone": backbone["name"]} | {k: v for k, v in backbone.items() if k not in aside},
        "weights": weights_digest(encoder.backbone),
        "transform": encoder.transform.describe(),
        "dimension": encoder.backbone.embedding_dim,
        "dtype": "float16",
        "splits": {
            name: {"rows": len(split), "fingerprint": split_digest(split)} for name, split in splits.items()
        },
    }


def _embed(
    args: argparse.Namespace, job: Any, encoder: Encoder, sources: Mapping[str, Any], blocks: Sequence[Block]
) -> Iterator[Block]:
    """Choose devices and processes, and embed."""
    import torch

    from autoal.embedding.workers import embed_blocks, embed_in_processes

    there = torch.cuda.is_available()
    if args.device == "cuda" and not there:
        raise AutoALError("--device cuda: torch sees no GPU here; use --device cpu")
    cuda = there and args.device != "cpu"
    places = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if cuda else ["cpu"]
    processes = args.processes or len(places)
    if processes == 1:
        return embed_blocks(encoder.to(torch.device(places[0])), sources, job.files, blocks)
    devices = [places[i % len(places)] for i in range(processes)]
    return embed_in_processes(job, blocks, devices, max(1, torch.get_num_threads() // processes))


def _versions() -> dict[str, str]:
    import importlib.metadata

    from autoal.version import __version__

    found = {"autoal": __version__, "python": platform.python_version()}
    for name in ("torch", "torchvision", "timm", "numpy", "pillow"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _report(out: Path, store: FeatureStore) -> None:
    sizes = ", ".join(f"{part['rows']:,} {name}" for name, part in store.plan["splits"].items())
    print(
        f"{out}: {'complete already, ' if store.finished else ''}{sizes}; {store.plan['dimension']} features each"
    )
    if views := store.plan.get("views"):
        kinds = " and ".join(kind for kind in ("weak", "strong") if views[kind])
        print(f"  {views['number']} {kinds} views of each training image, for training=fixmatch etc.")
    print(f"  autoal train dataset=features dataset.path={out.absolute()} backbone=linear")
