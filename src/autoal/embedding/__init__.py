"""Embedding a data set once with a pretrained network: files of features, filled by processes, resumable."""
