"""Watching in the hands of a trainer: `lightning.Watch`, `transformers.Watch` and `keras.Watch`, each in its module."""
