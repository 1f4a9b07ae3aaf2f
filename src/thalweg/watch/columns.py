"""From the coordinates of the sample to a number per part: sums, shares and quantiles, layer by layer and pooled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thalweg.sweep.gather import Sample

QUARTILES = (0.5, 0.25, 0.75)


class Columns:
    """Which coordinates belong to which part.

    In a group a coordinate counts for all those of its layer that it stands for, so that large layers weigh as much as
    they have elements.

    Attributes:
        layers: How many layers there are.
        groups: How many groups.
        group: For each layer its group, never falling.
    """

    def __init__(self, sample: Sample, group: Sequence[int], groups: int) -> None:
        self.sample, self.groups, self.layers = sample, groups, len(sample.counts)
        self.group = np.array(group, np.int64).reshape(-1)
        self._full = np.flatnonzero(sample.counts)
        self._starts = sample.starts[self._full]
        self.weight = sample.sizes / np.maximum(sample.counts, 1)
        self.layer_of = np.repeat(np.arange(self.layers), sample.counts)
        self._present, self._first = np.unique(self.group, return_index=True)
        self._sizes = np.where(sample.sizes > 0, sample.sizes, np.nan)
        self.count = self.pooled(self._sizes)

    @property
    def parts(self) -> int:
        """Layers and groups together."""
        return self.layers + self.groups

    def pooled(self, by_layer: np.ndarray) -> np.ndarray:
        """Sums over all coordinates of each layer, and those of the groups behind them; NaN where nothing is known."""
        result = np.empty((*by_layer.shape[:-1], self.parts))
        result[..., : self.layers] = by_layer
        total = np.add.reduceat(by_layer, self._first, axis=-1) if len(self._first) else by_layer
        if np.isnan(total).any():
            known = ~np.isnan(by_layer)
            total = np.add.reduceat(np.where(known, by_layer, 0.0), self._first, axis=-1)
            total[~np.logical_or.reduceat(known, self._first, axis=-1)] = np.nan
        if len(self._present) < self.groups:
            result[..., self.layers :] = np.nan
            result[..., self.layers + self._present] = total
        else:
            result[..., self.layers :] = total
        return result

    def counted(self, by_layer: np.ndarray) -> np.ndarray:
        """How many coordinates the layers have of which a number is known, for every part."""
        unknown = np.isnan(by_layer)
        return self.pooled(np.where(unknown, np.nan, self._sizes)) if unknown.any() else self.count

    def spread(self, by_layer: np.ndarray) -> np.ndarray:
        """From sums over each layer's sample to sums over all coordinates that it stands for, of all parts."""
        return self.pooled(by_layer * self.weight)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums over the sample, each coordinate for all that it stands for.

        Args:
            values: Of shape (..., coordinates of the sample).

        Returns:
            Of shape (..., parts).
        """
        by_layer = np.full((*values.shape[:-1], self.layers), np.nan)
        if len(self._full):
            by_layer[..., self._full] = np.add.reduceat(values, self._starts, axis=-1)
        return self.spread(by_layer)

    def shares(self, values: np.ndarray) -> np.ndarray:
        """Means over the coordinates that are not NaN; NaN where there is none."""
        known = ~np.isnan(values)
        total = self.sums(np.where(known, values, 0.0))
        with np.errstate(invalid="ignore", divide="ignore"):
            return total / self.sums(known.astype(np.float64))

    def quantiles(self, values: np.ndarray, at: Sequence[float] = QUARTILES) -> np.ndarray:
        """Quantiles over the coordinates that are finite, of shape (quantiles, parts)."""
        result = np.full((len(at), self.parts), np.nan)
        known = np.isfinite(values)
        keep = slice(None) if known.all() else np.flatnonzero(known)
        layer, kept = self.layer_of[keep], values[keep]
        if len(kept):
            order = np.argsort(kept)
            by_group = order if self.groups == 1 else order[np.argsort(self.group[layer[order]], kind="stable")]
            by_layer = by_group[np.argsort(layer[by_group], kind="stable")]
            ones, weight = np.ones(len(kept)), self.weight[layer]
            result[:, : self.layers] = _at(kept[by_layer], ones, np.bincount(layer, minlength=self.layers), at)
            groups = np.bincount(self.group[layer], weight, self.groups)
            result[:, self.layers :] = _at(kept[by_group], weight[by_group], groups, at)
        return result


def _at(values: np.ndarray, weight: np.ndarray, total: np.ndarray, at: Sequence[float]) -> np.ndarray:
    """The values, in order part by part, below which certain shares of each part's weight lie."""
    run, end = np.cumsum(weight), np.cumsum(total)
    wanted = end - total + np.array(at)[:, None] * total
    found = np.searchsorted(run, wanted * (1 - 1e-12))
    return np.where(total > 0, values[np.minimum(found, len(values) - 1)], np.nan)
