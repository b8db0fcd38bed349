"""The fingerprint of a data set: equal for equal data, other for other data; what a resume compares."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from autoal.data.base import SampleSource, Split
from autoal.data.digests import content_digest, join

if TYPE_CHECKING:
    from autoal.data.datamodule import ActiveLearningDataModule

VERSION = "1"
"""Goes up when the rule changes, so that a fingerprint of another rule is not mistaken for other data."""


def fingerprint(module_or_splits: ActiveLearningDataModule | Mapping[str, Split]) -> str:
    """Return the fingerprint of everything that an experiment reads: ids, labels and inputs of every part.

    The id of a sample is its row, so a changed order is another data set; so is one changed label (also one
    that nobody has bought), one changed pixel of a data set in memory, or a part more or less. Augmentation
    and normalisation are no data. Not counted are also the place of the files, the device that holds the
    samples (:meth:`~autoal.data.datamodule.ActiveLearningDataModule.place`), the image cache, and the
    number of ranks: all of them may differ between a run and its resume.

    What counts of the inputs:

    * data in memory: every byte;
    * files of images: every byte of the files up to 1 GiB per part
      (:data:`autoal.data.digests.CONTENT_BYTES`); beyond, each file's path below their common folder, size
      and time of the last change in seconds. A copy that loses the times is then another data set; ``cp -a``,
      ``rsync -a`` and ``tar`` keep them. The decoder (size, fit, channels) counts too;
    * mapped ``.npy`` files: the same, with the file's name; views that lie beside them count too.

    The first call costs one to three seconds per GiB that is read, or a ``stat`` per file. The result is kept on
    the splits, so later calls cost nothing, also after the samples moved to a GPU; labels and inputs must not
    be changed in place after that. Every rank gets the same result; one rank may ask alone.

    Args:
        module_or_splits: A data module after ``setup()``, or what :meth:`autoal.data.base.Dataset.load`
            returns.

    Returns:
        ``"<version>:<64 hexadecimal digits>"``. Fingerprints of different versions can't be compared: treat
        them as unknown rather than as different.

    Raises:
        AutoALError: If a file can't be read.

    Example:
        >>> from pathlib import Path
        >>> from autoal.data.digits import Digits
        >>> fingerprint(Digits().load(Path("data"))) == fingerprint(Digits().load(Path("elsewhere")))
        True
        >>> fingerprint(Digits(test_size=600).load(Path("data"))) == fingerprint(Digits().load(Path("data")))
        False
    """
    splits = module_or_splits if isinstance(module_or_splits, Mapping) else module_or_splits.splits
    parts = [(name, split_digest(splits[name])) for name in sorted(splits)]
    return f"{VERSION}:{join(word for part in parts for word in part)}"


def split_digest(split: Split) -> str:
    """Return the digest of one part, labels and inputs; computed once and kept on the split."""
    if split.digest is None:
        targets = split.targets.cpu().contiguous()
        labels = hashlib.sha256(str(targets.dtype).encode() + targets.numpy().tobytes()).hexdigest()
        views = [word for kind, made in sorted(split.views.items()) for word in (kind, made.digest())]
        split.digest = join((str(len(split)), labels, source_digest(split.source), *views))
    return split.digest


def source_digest(source: SampleSource) -> str:
    """Return the digest of raw inputs: by the source's own ``digest()`` if it has one, else of its content."""
    own = getattr(source, "digest", None)
    return str(own()) if own is not None else content_digest(source)
