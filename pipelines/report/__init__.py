"""The report of a local run: its files, and its table on a terminal."""
