"""Numbers as the report shows them."""


def format_number(value: float) -> str:
    """Four decimals, or `NaN`, `Infinity`, `-Infinity` as in the report's JSON."""
    return f"{value:.4f}".replace("nan", "NaN").replace("inf", "Infinity")
