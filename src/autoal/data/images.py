"""Image files: decoding and checking."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor

from autoal.data.base import TensorSource
from autoal.data.digests import files_digest, join
from autoal.data.memmap import chunks
from autoal.errors import AutoALError

EXTENSIONS = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"))
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""The decoders that a file may reach, whatever its name says: EPS, for one, would start Ghostscript."""
FITS = ("crop", "stretch")
DECODE_BATCH = 256
"""Images decoded at a time where all are wanted."""


@dataclass(frozen=True)
class Decoder:
    """How a file becomes a ``uint8`` array ``(C, H, W)``.

    Attributes:
        channels: 3 for RGB, 1 for grey; files of the other kind are converted.
        size: Height and width in pixels; None: as the file is, so all files must agree.
        fit: ``"crop"``: scale the shorter side, then cut out the middle; ``"stretch"``: scale both sides.
    """

    channels: int = 3
    size: tuple[int, int] | None = None
    fit: str = "crop"

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise AutoALError(f"dataset.channels={self.channels}: images have 1 or 3")
        if self.fit not in FITS:
            raise AutoALError(f"dataset.fit={self.fit} is not one of {', '.join(FITS)}")
        if self.size is not None and min(self.size) < 1:
            raise AutoALError(f"dataset.size={list(self.size)} is not a height and a width in pixels")

    def __call__(self, path: Path, where: str = "") -> npt.NDArray[np.uint8]:
        """Decode one file.

        Args:
            path: The file.
            where: Where it is named (a row of a manifest), for the message.

        Raises:
            AutoALError: If it can't be decoded; names the file.
        """
        try:
            with Image.open(path, formats=FORMATS) as file:
                image: Image.Image = file
                if self.size is not None:
                    # Lets the JPEG decoder skip detail that the resize would throw away.
                    file.draft(None, (2 * self.size[1], 2 * self.size[0]))
                image = ImageOps.exif_transpose(image).convert("RGB" if self.channels == 3 else "L")
                image = self._resize(image)
                pixels = np.asarray(image)
        except Exception as error:
            # Pillow raises whatever the damaged bytes lead to: OSError, SyntaxError, ValueError, struct.error.
            named = f" (named in {where})" if where else ""
            raise AutoALError(f"{path}{named} is not a readable image: {error}") from error
        return pixels[None] if self.channels == 1 else pixels.transpose(2, 0, 1)

    def _resize(self, image: Image.Image) -> Image.Image:
        if self.size is None:
            return image
        height, width = self.size
        if image.size == (width, height):
            return image
        if self.fit == "stretch":
            return image.resize((width, height), Image.Resampling.BILINEAR)
        return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)


@dataclass
class ImageFiles:
    """Images decoded when they are asked for; see :class:`autoal.data.base.SampleSource`.

    Decoding runs in threads: Pillow's decoders and resizing release the interpreter lock.

    Attributes:
        paths: One file per sample.
        decoder: How files become arrays.
        shape: ``(C, H, W)`` that every decoded file must have.
        where: For each sample, where its file is named; or empty.
        workers: Number of decoding threads; 0: one per core, at most 16.
        missing: Rows whose file has gone; they are black, and nothing may ask for them.
    """

    paths: Sequence[Path]
    decoder: Decoder
    shape: tuple[int, ...]
    where: Sequence[str] = field(default=(), repr=False)
    workers: int = 0
    missing: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.paths)

    def __getstate__(self) -> dict[str, object]:
        # Threads can't be pickled; they start again when they are needed.
        return {k: v for k, v in self.__dict__.items() if k != "_threads"}

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        n = self.workers or min(os.cpu_count() or 1, 16)
        return ThreadPoolExecutor(n, thread_name_prefix="autoal-decode")

    def fetch(self, rows: Tensor) -> Tensor:
        """Decode the files of ``rows``, shape ``(B, C, H, W)``, ``uint8``."""
        batch = np.empty((len(rows), *self.shape), np.uint8)

        def decode(slot: int, row: int) -> None:
            if row in self.missing:
                batch[slot] = 0
                return
            where = self.where[row] if self.where else ""
            pixels = self.decoder(self.paths[row], where)
            if pixels.shape != self.shape:
                found, first = pixels.shape[1:], self.shape[1:]
                raise AutoALError(
                    f"{self.paths[row]} is {found[0]}x{found[1]} pixels (height x width) where the first image is "
                    f"{first[0]}x{first[1]}; set dataset.size=[height,width] to resize"
                )
            batch[slot] = pixels

        jobs = [self._threads.submit(decode, slot, row) for slot, row in enumerate(rows.tolist())]
        for job in jobs:
            job.result()
        return torch.from_numpy(batch)

    def to(self, device: torch.device) -> TensorSource:
        """Decode everything into one tensor on ``device``."""
        inputs = torch.empty((len(self), *self.shape), dtype=torch.uint8, device=device)
        for rows in chunks(len(self), DECODE_BATCH):
            inputs[rows[0] : rows[-1] + 1] = self.fetch(rows).to(device)
        return TensorSource(inputs, origin=self)

    def select(self, rows: Tensor) -> ImageFiles:
        """Return a source of only ``rows``; nothing is decoded."""
        wanted = rows.tolist()
        where = [self.where[r] for r in wanted] if self.where else ()
        missing = frozenset(i for i, r in enumerate(wanted) if r in self.missing)
        return replace(self, paths=[self.paths[r] for r in wanted], where=where, missing=missing)

    @property
    def nbytes(self) -> int:
        """Bytes that all decoded images take."""
        return len(self) * int(np.prod(self.shape))

    def digest(self) -> str:
        """Return the fingerprint of the files and of how they are decoded."""
        return join((files_digest(self.paths, self.workers), repr(self.decoder), repr(self.shape)))
