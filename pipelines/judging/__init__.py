"""How models are judged: their predictions, the comparison of branches, and its page."""
