"""Planted faults: what goes wrong, on which problems, and the runs that show whether `thalweg.watch` says so."""
