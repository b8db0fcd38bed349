"""AutoAL's Fig. 2 and its ablations: seven data sets, fifteen methods and ours, three seeds.

python -m experiments.autoal_icml25.run --settings cifar10 -- paths.data_dir=data trainer=gpu
python -m experiments.autoal_icml25.run --settings cifar100_fig3 cifar100_fig4 -- paths.data_dir=data trainer=gpu
"""

from __future__ import annotations

from pathlib import Path

from autoal.run.study import main
from autoal.run.study_runs import Setting
from experiments import tables

HERE = Path(__file__).resolve().parent

DATASETS = ("cifar10", "cifar100", "svhn", "tiny_imagenet", "organcmnist", "pathmnist", "tissuemnist")
# The paper's fifteen, and what it lacks: random, and AutoAL without its search.
METHODS = (
    *("random", "least_confidence", "margin", "entropy", "kmeans", "bald", "var_ratio", "mean_std", "badge"),
    *("kcenter", "ddu", "loss_prediction", "albl", "autoal_equal", "autoal", "autoal_paper", "vaal"),
    "ensemble_var_ratio",
)
# Their paper's training, where the defaults are for one CPU core.
OPTIONS = {"vaal": ("strategy.epochs=100", "strategy.max_steps=null", "strategy.width=128")}
STRATEGIES = tuple((name, *OPTIONS[name]) if name in OPTIONS else name for name in METHODS)
ABLATED = ("cifar100", "svhn", "organcmnist")
SEARCHNETS = ("resnet", "loss_prediction", "full")
CANDIDATES = ("paper1", "paper3", "paper5", "paper7")


def ablation(dataset: str, figure: str, key: str, values: tuple[str, ...]) -> Setting:
    """Vary one option of ``autoal_paper``."""
    arms = tuple((value, "strategy=autoal_paper", f"strategy.{key}={value}") for value in values)
    return Setting(f"{dataset}_{figure}", (f"+experiment=autoal_icml25/{dataset}",), arms, (0, 1, 2))


SETTINGS = [
    *(Setting(d, (f"+experiment=autoal_icml25/{d}",), STRATEGIES, (0, 1, 2)) for d in DATASETS),
    *(ablation(d, "fig3", "searchnet", SEARCHNETS) for d in ABLATED),
    *(ablation(d, "fig4", "candidates", CANDIDATES) for d in ABLATED),
]

if __name__ == "__main__":
    if main(HERE, SETTINGS):
        tables.main([HERE.name])
