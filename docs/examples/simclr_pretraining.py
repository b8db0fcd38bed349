"""SimCLR on a folder of images with lightly: weights for ``backbone.pretrained=PATH``, and so for ``features=``.

pip install lightly
python docs/examples/simclr_pretraining.py photos --out simclr.pt
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn


class Encoder(nn.Module):
    """A ResNet-18 of torchvision without its classifier, and lightly's projection head.

    Args:
        projection: The head, 512 -> 128.
    """

    def __init__(self, projection: nn.Module) -> None:
        super().__init__()
        self.backbone = torchvision.models.resnet18()
        self.backbone.fc = nn.Identity()
        self.projection = projection

    def forward(self, x: Tensor) -> Tensor:
        """Return the projections ``(B, 128)`` of images ``(B, 3, H, W)``."""
        projected: Tensor = self.projection(self.backbone(x))
        return projected


def weights(encoder: Encoder) -> dict[str, Tensor]:
    """Return what ``backbone=torchvision backbone.model=resnet18 backbone.pretrained=PATH`` reads."""
    return {name: value.cpu() for name, value in encoder.backbone.state_dict().items()}


def train(folder: Path, epochs: int, size: int, batch_size: int, device: torch.device) -> Encoder:
    """Train on every image below a folder; labels are not looked at.

    Args:
        folder: Of images; keep those of the test set elsewhere.
        epochs: Passes through them; 100 and more for small data sets.
        size: Side of the views in pixels.
        batch_size: Images per step; each has all others of the batch as negatives.
        device: Where to train.
    """
    from lightly.data import LightlyDataset
    from lightly.loss import NTXentLoss
    from lightly.models.modules import SimCLRProjectionHead
    from lightly.transforms.simclr_transform import SimCLRTransform

    # Blur leaves nothing of small images.
    transform = SimCLRTransform(input_size=size, gaussian_blur=0.5 if size > 64 else 0.0)
    images = LightlyDataset(str(folder), transform=transform)
    loader: Any = torch.utils.data.DataLoader(images, batch_size=batch_size, shuffle=True, drop_last=True)
    encoder = Encoder(SimCLRProjectionHead(512, 512, 128)).to(device)
    criterion = NTXentLoss(temperature=0.1)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3)
    for epoch in range(epochs):
        total = 0.0
        for views, *_ in loader:
            loss = criterion(*(encoder(view.to(device)) for view in views[:2]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / max(len(loader), 1):.4f}", flush=True)
    return encoder


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("simclr.pt"))
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=256)
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.save(weights(train(args.folder, args.epochs, args.size, args.batch_size, device)), args.out)
    print(f"{args.out}: backbone=torchvision backbone.model=resnet18 backbone.pretrained={args.out.absolute()}")


if __name__ == "__main__":
    main()
