"""The lab: real training, compared fairly. problem → spec → run → store → table."""
