"""How a regression is judged."""
