"""The problems of the lab, one file each; `PROBLEMS` lists them."""

NAMES = ("mnist-cnn",)
