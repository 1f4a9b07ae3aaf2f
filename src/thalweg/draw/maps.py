"""Maps of many runs: where each start ends up, and how each rule ends at each learning rate."""

from thalweg.draw.basin_map import basin_map
from thalweg.draw.rate_map import rate_map

__all__ = ["basin_map", "rate_map"]
