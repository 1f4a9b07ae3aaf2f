"""The sections of `gpu.py`: one file each, and what they share."""
