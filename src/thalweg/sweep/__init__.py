"""One pass of a kernel over the memory of many tensors. Knows addresses and threads, no framework."""
