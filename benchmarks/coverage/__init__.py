"""How often the intervals and verdicts of `tinyedge compare` are right."""
