"""The doors: thin commands, no logic; everything heavy is imported where it is used."""
