"""Numbers as reports show them."""

import math


def format_number(value: float) -> str:
    """Four decimals, or `NaN`, `Infinity`, `-Infinity` as in the report's JSON."""
    return _name_non_finite(f"{value:.4f}")


def format_value(value: float, sign: str = "") -> str:
    """Five significant digits, and whole numbers as they are up to a billion.

    Args:
      value: Of any magnitude, or none: `NaN`, `Infinity`, `-Infinity`.
      sign: `+` to give positive numbers their sign.
    """
    if math.isnan(value):
        return "NaN"  # of no sign
    if 1e5 <= abs(value) < 1e9:
        return f"{value:{sign},.0f}"
    return _name_non_finite(f"{value:{sign}.5g}")


def format_size(count: float) -> str:
    """Bytes in kB and MB; 1 kB is 1,000."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def _name_non_finite(text: str) -> str:
    return text.replace("nan", "NaN").replace("inf", "Infinity")
