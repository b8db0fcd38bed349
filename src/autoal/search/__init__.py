"""AutoAL: differentiable search for the strategies whose nominations are worth a label.

Each module holds one piece: what can be chosen (:mod:`options`), what the candidates nominate (:mod:`votes`),
which networks weigh the candidates (:mod:`networks`) and what they see (:mod:`features`), how weights become
scores and gates (:mod:`scoring`), what is minimised (:mod:`objective`), the held-out simulation (:mod:`halves`),
the alternating updates (:mod:`loop`) and the final choice (:mod:`query`). :mod:`autoal.strategies.autoal` puts
them together.

Reference: Wang et al., *AutoAL: Automated Active Learning with Differentiable Query Strategy Search*, ICML 2025
(arXiv 2410.13853). ``docs/autoal.md`` lists where and why this package departs from it.
"""
