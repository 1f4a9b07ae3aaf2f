"""From a rule to a straight-line program, and from there to numbers (evaluators) or source (printers)."""
