"""How sure a share of hits is: the Wilson score interval."""

from __future__ import annotations

import math

#: 97.5 % of the normal distribution lies below.
Z = 1.959963984540054


def interval(hits: int, trials: int) -> tuple[float, float]:
    """Return the two-sided 95 % interval of hits / trials; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    share, scale = hits / trials, 1 / (1 + Z * Z / trials)
    centre = scale * (share + Z * Z / (2 * trials))
    half = scale * Z * math.sqrt(share * (1 - share) / trials + Z * Z / (4 * trials * trials))
    return (0.0 if hits == 0 else max(0.0, centre - half)), (1.0 if hits == trials else min(1.0, centre + half))
