"""The folklore about optimizers, each sentence as a declared study: what is measured, and which rule decides."""
