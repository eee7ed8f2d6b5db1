"""Recurring runs as a file: what it says, what the server has, how one becomes the other."""
