"""Numbers as people read them: 32K tokens, 1.5 MiB, 12.3 GFLOP/s, 4.56 ms."""

from __future__ import annotations

import math

_BINARY = ((2**40, "T"), (2**30, "G"), (2**20, "M"), (2**10, "K"))
_SI = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


def tokens(count: float) -> str:
    """Write a token count in powers of 1024 where that is short: 32K, 1M, 1.5K, 3000."""
    for size, prefix in _BINARY:
        if count >= size and count * 4 % size == 0:
            return f"{count / size:g}{prefix}"
    return f"{count:g}" if abs(count) < 1e6 else f"{count:.0f}"


def binary_scale(largest: float) -> tuple[float, str]:
    """Return the divisor and unit (B, KiB, MiB, ...) for values up to `largest`."""
    for size, prefix in _BINARY:
        if largest >= size:
            return float(size), f"{prefix}iB"
    return 1.0, "B"


def size(count: float) -> str:
    """Write bytes: 1.50 MiB."""
    if not math.isfinite(count):
        return str(count)
    divisor, unit = binary_scale(abs(count))
    return f"{count:.0f} B" if unit == "B" else f"{three_digits(count / divisor)} {unit}"


def si_scale(largest: float) -> tuple[float, str]:
    """Return the divisor and SI prefix for values up to `largest`."""
    if not math.isfinite(largest) or largest == 0:
        return 1.0, ""
    for factor, prefix in _SI:
        if abs(largest) >= factor:
            return factor, prefix
    return _SI[-1]


def si(value: float, unit: str) -> str:
    """Write a value with an SI prefix and three digits: 12.3 GFLOP/s."""
    if not math.isfinite(value):
        return f"{value} {unit}".rstrip()
    factor, prefix = si_scale(value)
    return f"{three_digits(value / factor)} {prefix}{unit}".rstrip()


def si_tick(value: float) -> str:
    """Write a tick of a logarithmic axis: 1, 10, 100, 1 k, 10 k."""
    factor, prefix = si_scale(value * 1.0001)
    return f"{value / factor:g} {prefix}".rstrip()


def three_digits(value: float) -> str:
    """Write three significant digits without an exponent: 1.23, 12.3, 123, 1234."""
    magnitude = abs(value)
    if magnitude == 0:
        return "0"
    if magnitude >= 99.95:
        return f"{value:.0f}"
    if magnitude >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}"


def percent(value: float) -> str:
    """Write a ratio as a percentage: 53.3 %."""
    return f"{100 * value:.1f} %" if math.isfinite(value) else str(value)


def plain(value: object, unit: str = "") -> str:
    """Write a cell of a table by its type and unit."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        if unit == "B":
            return size(value)
        return tokens(value) if unit == "token" else str(value)
    if isinstance(value, float):
        if unit in ("s", "FLOP", "FLOP/s", "token/s"):
            return si(value, unit)
        if value != 0 and math.isfinite(value) and not 1e-3 <= abs(value) < 1e5:
            return f"{value:.2e}"
        return f"{value:.4g}"
    return str(value)


def ordinal(number: int) -> str:
    """Write a place in an order: 1st, 2nd, 3rd, 11th."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """Write a count with its noun: 1 row, 3 rows."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
