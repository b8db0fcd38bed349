"""``autoal new images FOLDER``: a small folder of images as a user has one, to try the program on.

scikit-learn's handwritten digits as PNG files, enlarged to 16x16, with a ``labels.csv`` that leaves every tenth
image of the training part without a label.
"""

from __future__ import annotations

from pathlib import Path

from autoal.errors import AutoALError

SIDE = 16
UNLABELLED = 10
"""Every so many training images have no label, as in a folder that nobody has finished labelling."""


def write_images(folder: Path) -> str:
    """Write the images and their ``labels.csv``.

    Args:
        folder: A folder that does not exist yet, or is empty.

    Returns:
        What was written, in one line.

    Raises:
        AutoALError: If something lies in the folder.
    """
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AutoALError(f"{folder} exists already; nothing was written")
    (folder / "photos").mkdir(parents=True)
    digits = load_digits()
    rows = ["path,label,split"]
    for i, (pixels, target) in enumerate(zip(digits.images, digits.target, strict=True)):
        name, part = f"photos/{i:04d}.png", "test" if i % 3 == 2 else "train"
        grey = (pixels * (255 / 16)).astype(np.uint8)
        Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(folder / name)
        known = part == "test" or i % UNLABELLED
        rows.append(f"{name},{f'digit {target}' if known else ''},{part}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    images = f"{len(rows) - 1:,} images of handwritten digits, {SIDE}x{SIDE} pixels"
    return f"wrote    {images}, and labels.csv to {folder}"
