"""The data of one run: data set, pool and the oracle that labels it, checked against loop and strategy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoal.config.training import TrainerSettings
from autoal.data.build import build_augmentations, build_dataset
from autoal.data.datamodule import ActiveLearningDataModule
from autoal.data.kept import KeptData
from autoal.data.oracle import Oracle
from autoal.errors import AutoALError
from autoal.humans.session import Session
from autoal.humans.settings import OracleConfig
from autoal.humans.waiting import People
from autoal.loop.cold_start import check_cold_start
from autoal.loop.settings import LoopConfig
from autoal.query.contract import QueryStrategy, check_oracle


def build_data(
    cfg: Mapping[str, Any],
    loop: LoopConfig,
    placing: TrainerSettings,
    run_dir: Path,
    resume: bool = False,
    full_batch: bool = False,
    kept: KeptData | None = None,
) -> tuple[ActiveLearningDataModule, Session | None, int]:
    """Load the data set and make its pool.

    Args:
        cfg: The checked config.
        loop: Sizes and stopping rules.
        placing: Where data are kept.
        run_dir: The run directory, where people's answers are.
        resume: Whether the run in the directory is to be continued.
        full_batch: Whether a training step takes all labels at once.
        kept: The data sets of earlier runs; None: read the data anew.

    Returns:
        The data; those who answer, or None with a simulated oracle; and the number of test labels to buy.

    Raises:
        AutoALError: If the data are not there, or do not fit the loop or the oracle.
    """
    oracle = OracleConfig.from_config(cfg.get("oracle"))
    root = Path(cfg["paths"]["data_dir"])
    if kept is None or oracle.people:  # what people answer with changes the data set
        dataset, splits = build_dataset(cfg["dataset"]), None
    else:
        dataset, splits = kept.take(cfg["dataset"], root)
    people = Session.prepare(run_dir, oracle, dataset, root, resume) if oracle.people else None
    data = ActiveLearningDataModule(
        dataset,
        root,
        seed=cfg["seed"],
        batch_size=None if full_batch else loop.batch_size,
        eval_batch_size=loop.eval_batch_size,
        augmentations=build_augmentations(cfg["dataset"].get("augment") or []),
        max_device_bytes=int(placing.data_on_device_gib * 2**30),
        prefetch=placing.prefetch,
        features=cfg.get("features"),
        max_share_bytes=int(placing.data_share_gib * 2**30),
        spread_from=int(placing.spread_from_mib * 2**20),
        oracle=Oracle if people is None else People,
        splits=splits,
        steps_per_epoch=loop.steps_per_epoch,
    )
    data.setup()
    check_initial(loop.init, data.oracle)
    check_cold_start(data, loop.init)
    data.pool.may_grow = people is not None
    n_test = oracle.test_labels(dataset.lacks_test)
    loop.check_pool(len(data.pool.unlabelled), n_test)
    return data, people, n_test


def check_strategy(strategy: QueryStrategy, data: ActiveLearningDataModule) -> None:
    """Check that a strategy gets what it needs besides the classifier: static features, answers, the truth.

    Raises:
        AutoALError: If the data or the oracle don't have it.
    """
    if strategy.needs.static and data.static is None:
        name = data.dataset.info.name
        raise AutoALError(
            f"strategy '{strategy.name}' needs static features, and {name} has none: make them "
            f"with 'autoal embed {name} --out DIR' and set features=DIR"
        )
    check_oracle(strategy, data.oracle)


def check_initial(init: str, oracle: Oracle) -> None:
    """Check that an oracle can give the initial set that the loop wants.

    Raises:
        AutoALError: If it can't, or has labels already that nobody would use.
    """
    if oracle.answers_at_once:
        if init == "labelled":
            raise AutoALError("loop.init=labelled needs oracle=human: a simulated oracle sells every known label")
        return
    if init == "class_balanced":
        raise AutoALError("loop.init=class_balanced reads labels, which nobody knows yet with oracle=human")
    assert isinstance(oracle, People)
    n = int(oracle.labelled_before.sum())
    if init == "labelled" and not n:
        raise AutoALError("loop.init=labelled, but no training image has a label; leave loop.init out")
    if init != "labelled" and n:
        raise AutoALError(f"{n} training images have labels already: set loop.init=labelled to begin with them")
