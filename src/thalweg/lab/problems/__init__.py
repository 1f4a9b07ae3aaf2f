"""The problems of the lab, one file each; `NAMES` lists them."""

NAMES = (
    "mnist-cnn",
    "linear-regression",
    "linear-regression-full",
    "linear-regression-single",
    "sparse-logistic",
    "sparse-logistic-full",
    "sparse-logistic-single",
    "binary-classifier",
    "binary-classifier-full",
    "binary-classifier-single",
    "mnist-mlp",
    "matrix-factorisation",
    "multi-task",
    "noisy-quadratic",
    "text-lstm",
    "text-transformer",
    "cartpole-policy",
    "fine-tune",
    "digits-vae",
)
