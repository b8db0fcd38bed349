"""The processes that embed: each its share of the blocks, on its device, straight into the files."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autoal.data.base import Dataset, SampleSource, Split
from autoal.data.build import build_dataset
from autoal.embedding.array import FeatureFile
from autoal.embedding.encoder import Encoder, build_encoder
from autoal.embedding.store import Block
from autoal.embedding.views import AugmentedSource, ViewPlan
from autoal.errors import AutoALError

RawImages = SampleSource | AugmentedSource
_GRACE = 10.0


@dataclass(frozen=True)
class EmbeddingJob:
    """What a process needs to know to embed; small, since it travels to the process.

    Attributes:
        dataset: The ``dataset`` config.
        backbone: The ``backbone`` config.
        root: The data directory.
        size: Side of the images in pixels, or None.
        files: The files, by part.
        views: Which views are made, or None.
    """

    dataset: Mapping[str, Any]
    backbone: Mapping[str, Any]
    root: Path
    size: int | None
    files: Mapping[str, FeatureFile]
    views: ViewPlan | None = None


def image_sources(dataset: Dataset, splits: Mapping[str, Split], views: ViewPlan | None) -> dict[str, RawImages]:
    """Return the images of each part of a loaded data set, and the views of the training part."""
    found: dict[str, RawImages] = {name: split.source for name, split in splits.items()}
    return found | (views.sources(splits["train"].source, dataset.info) if views else {})


def embed_blocks(
    encoder: Encoder,
    sources: Mapping[str, RawImages],
    files: Mapping[str, FeatureFile],
    blocks: Sequence[Block],
) -> Iterator[Block]:
    """Embed blocks one after the other; the next one's images are read meanwhile.

    Args:
        encoder: The network, on its device.
        sources: The raw images, by part.
        files: Where the rows go, by part.
        blocks: Which rows.

    Yields:
        Each block once its rows are in the file.

    Raises:
        AutoALError: If an image can't be read, a feature is not finite in float16, or the disk is full.
    """

    def fetch(block: Block) -> Tensor:
        return sources[block.split].fetch(torch.arange(block.start, block.stop))

    with ThreadPoolExecutor(1, thread_name_prefix="autoal-fetch") as thread:
        coming = thread.submit(fetch, blocks[0]) if blocks else None
        for position, block in enumerate(blocks):
            assert coming is not None
            raw = coming.result()
            if position + 1 < len(blocks):
                coming = thread.submit(fetch, blocks[position + 1])
            rows = encoder(raw)
            finite = torch.isfinite(rows).all(dim=1)
            if not finite.all():
                row = block.start + int((~finite).nonzero()[0])
                raise AutoALError(f"the features of {block.split} row {row} are not finite in float16")
            files[block.split].write(block.start, rows.numpy())
            yield block


def embed_in_processes(
    job: EmbeddingJob, blocks: Sequence[Block], devices: Sequence[str], threads: int
) -> Iterator[Block]:
    """Embed blocks in one spawned process per device; each takes every n-th block.

    Processes end with this one, however it ends.

    Args:
        job: What to do.
        blocks: Which rows.
        devices: One per process, e.g. ``["cuda:0", "cuda:1"]`` or ``["cpu", "cpu"]``.
        threads: Torch threads of each process.

    Yields:
        Each block once its rows are in the file, in the order in which they are done.

    Raises:
        AutoALError: The processes' own, or one that says how a process died.
    """
    context = multiprocessing.get_context("spawn")
    pipes: dict[Connection, Any] = {}
    done: list[Any] = []
    try:
        for rank, device in enumerate(devices):
            reader, writer = context.Pipe(duplex=False)
            share = blocks[rank :: len(devices)]
            process = context.Process(target=_work, args=(job, share, device, threads, writer), daemon=True)
            process.start()
            # Ours is closed, so that the reader sees the end when the process is gone.
            writer.close()
            pipes[reader] = process
        while pipes:
            for ready in wait(list(pipes)):
                reader = next(pipe for pipe in pipes if pipe is ready)
                try:
                    message = reader.recv()
                except EOFError:
                    process = pipes[reader]
                    process.join(_GRACE)
                    raise AutoALError(_death(process.exitcode)) from None
                if message is None:
                    done.append(pipes.pop(reader))
                    continue
                if isinstance(message, str):
                    raise AutoALError(message)
                yield message
    finally:
        # Those that said that they are done have written everything: how long they take to end does not matter.
        for process in (*pipes.values(), *done):
            process.terminate()
            process.join(_GRACE)


def _death(code: int | None) -> str:
    if code is None:
        return "an embedding process does not answer any more"
    if code >= 0:
        return f"an embedding process ended with status {code}"
    hint = " (out of memory?); use fewer --processes or a smaller --batch-size" if -code == signal.SIGKILL else ""
    return f"an embedding process was killed by signal {-code}{hint}"


def _work(job: EmbeddingJob, blocks: Sequence[Block], device: str, threads: int, pipe: Connection) -> None:
    """Run in a process of its own: embed, and tell the parent block by block."""
    # Ctrl-C reaches the whole group; the parent ends its processes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        torch.set_num_threads(threads)
        dataset = build_dataset(job.dataset)
        sources = image_sources(dataset, dataset.load(job.root), job.views)
        encoder = build_encoder(job.backbone, job.size).to(torch.device(device))
        for block in embed_blocks(encoder, sources, job.files, blocks):
            pipe.send(block)
        pipe.send(None)
    except AutoALError as error:
        pipe.send(str(error))
    except torch.OutOfMemoryError as error:
        pipe.send(f"{device} is out of memory; use a smaller --batch-size ({str(error).splitlines()[0]})")
    except BrokenPipeError:
        # The parent is gone; whoever resumes computes the rest.
        os._exit(1)
    finally:
        pipe.close()
