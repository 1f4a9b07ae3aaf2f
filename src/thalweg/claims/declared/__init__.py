"""The claims, one file each; every file defines `CLAIM`."""
