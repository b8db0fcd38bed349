"""Selection rules as pure functions: tensors in, tensors out, usable without the rest of the framework.

Functions that score return one number per row, higher meaning more informative; functions that choose a batch
return :class:`Picks`. Anything random takes an explicit ``torch.Generator``. All of them take float16, bfloat16,
float32 and float64 on any device and compute in float32 or wider. All of them take NumPy arrays in the place of
tensors, and then return NumPy arrays (:mod:`autoal.kernels.arrays`).

Example:
    >>> import torch
    >>> from autoal.kernels import margin, top_n
    >>> top_n(margin(torch.tensor([[9.0, 0.0], [0.1, 0.0], [5.0, 0.0]])), 2)
    tensor([1, 2])
"""

from autoal.kernels.activeft import activeft
from autoal.kernels.adversarial import bim_distance, deepfool_distance
from autoal.kernels.alfamix import alfamix, alfamix_options
from autoal.kernels.badge import badge
from autoal.kernels.bait import bait
from autoal.kernels.batchbald import batchbald
from autoal.kernels.cal import cal
from autoal.kernels.calibration import crossfit_temperature, fit_temperature, labelled_bandwidth
from autoal.kernels.cdal import cdal
from autoal.kernels.clue import clue
from autoal.kernels.cluster_margin import cluster_margin
from autoal.kernels.dcom import dcom
from autoal.kernels.diverse_minibatch import diverse_minibatch
from autoal.kernels.dropquery import dropquery
from autoal.kernels.epig import epig
from autoal.kernels.falcun import falcun
from autoal.kernels.herding import herding
from autoal.kernels.kcenter import kcenter, kcenter_pca
from autoal.kernels.kmeans import kmeans, nearest_distinct, weighted_kmeans
from autoal.kernels.lines import class_line
from autoal.kernels.linkage import average_linkage
from autoal.kernels.mc import bald, mean_std, var_ratio
from autoal.kernels.perturbed import ldm_s, least_disagree, noise_stability
from autoal.kernels.probcover import probcover, pure_radius
from autoal.kernels.representatives import class_representatives
from autoal.kernels.rows import unit_rows
from autoal.kernels.similar import flcg, flqmi
from autoal.kernels.stochastic import stochastic_batch
from autoal.kernels.topk import top_n
from autoal.kernels.types import Picks
from autoal.kernels.typiclust import typiclust
from autoal.kernels.uncertainty import entropy, least_confidence, margin, mean_log_prob

__all__ = [
    "Picks",
    "alfamix",
    "alfamix_options",
    "average_linkage",
    "badge",
    "bait",
    "bald",
    "batchbald",
    "bim_distance",
    "cal",
    "cdal",
    "clue",
    "class_line",
    "class_representatives",
    "cluster_margin",
    "deepfool_distance",
    "diverse_minibatch",
    "dropquery",
    "entropy",
    "epig",
    "falcun",
    "flcg",
    "flqmi",
    "herding",
    "kcenter",
    "kcenter_pca",
    "kmeans",
    "ldm_s",
    "least_confidence",
    "least_disagree",
    "margin",
    "mean_log_prob",
    "mean_std",
    "nearest_distinct",
    "noise_stability",
    "stochastic_batch",
    "probcover",
    "pure_radius",
    "top_n",
    "var_ratio",
    "activeft",
    "crossfit_temperature",
    "fit_temperature",
    "labelled_bandwidth",
    "dcom",
    "typiclust",
    "unit_rows",
    "weighted_kmeans",
]
