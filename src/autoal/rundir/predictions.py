"""``predictions.npz``: what the classifier of each round took the test samples for."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autoal.errors import AutoALError
from autoal.files import atomic_open
from autoal.rundir import names


@dataclass(frozen=True)
class Predictions:
    """Test predictions of a run.

    Attributes:
        rounds: The rounds, ascending, ``(R,)``.
        predicted: The class that each test sample was taken for, ``(R, N)``.
        targets: Its class, as the last round knew it, ``(N,)``.
        auroc: Macro mean over classes of the area under the ROC curve, one class against the rest, ``(R,)``; NaN
            where it was not computed.
    """

    rounds: NDArray[np.int64]
    predicted: NDArray[np.int64]
    targets: NDArray[np.int64]
    auroc: NDArray[np.float64]

    @classmethod
    def read(cls, run_dir: Path) -> Predictions | None:
        """Read the file of a run directory; None where there is none.

        Raises:
            AutoALError: If it is damaged.
        """
        path = run_dir / names.PREDICTIONS
        try:
            with np.load(path, allow_pickle=False) as file:
                found = cls(
                    file["rounds"].astype(np.int64),
                    file["predicted"].astype(np.int64),
                    file["targets"].astype(np.int64),
                    file["auroc"].astype(np.float64),
                )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise AutoALError(f"{path} is damaged: {error}") from error
        r, n = len(found.rounds), len(found.targets)
        if found.predicted.shape != (r, n) or found.auroc.shape != (r,) or not r:
            raise AutoALError(f"{path} is damaged: its arrays do not fit together")
        return found

    def write(self, run_dir: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            AutoALError: If it can't be written.
        """
        # One byte per sample for up to 255 classes: a run of fifty rounds on 10,000 images stays below 500 kB.
        small = np.min_scalar_type(int(max(self.predicted.max(initial=0), self.targets.max(initial=0))))
        with atomic_open(run_dir / names.PREDICTIONS, "wb") as file:
            np.savez_compressed(
                file,
                rounds=self.rounds,
                predicted=self.predicted.astype(small),
                targets=self.targets.astype(small),
                auroc=self.auroc,
            )

    def with_round(
        self, round_: int, predicted: NDArray[np.int64], targets: NDArray[np.int64], auroc: float
    ) -> Predictions:
        """Return the predictions with one round more; that round and later ones are replaced.

        Args:
            round_: The round.
            predicted: Its predictions, ``(N,)``.
            targets: The classes, ``(N,)``.
            auroc: Its area under the ROC curve.
        """
        keep = (
            self.rounds < round_ if self.predicted.shape[1] == len(predicted) else np.zeros(len(self.rounds), bool)
        )
        return Predictions(
            np.append(self.rounds[keep], round_),
            np.vstack([self.predicted[keep].reshape(-1, len(predicted)), predicted]),
            targets,
            np.append(self.auroc[keep], auroc),
        )

    @classmethod
    def none(cls) -> Predictions:
        """Return those of a run that has measured nothing yet."""
        empty = np.zeros(0, dtype=np.int64)
        return cls(empty, np.zeros((0, 0), dtype=np.int64), empty, np.zeros(0))

    def confusion(self, row: int, n_classes: int) -> NDArray[np.int64]:
        """Return how often each class was taken for each, ``(C, C)``: truth by prediction.

        Args:
            row: A row of ``predicted``; -1 is the last round.
            n_classes: How many classes there are.
        """
        cells = self.targets * n_classes + self.predicted[row]
        return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)
