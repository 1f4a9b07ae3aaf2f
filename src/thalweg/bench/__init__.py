"""The optimizer's speed on this machine: every figure is a ratio against something measured in alternation with it."""
