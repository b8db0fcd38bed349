"""Query strategies: one module each; see :mod:`autoal.query.registry`."""
