"""How a classifier is judged."""
