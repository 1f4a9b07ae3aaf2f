"""From a situation to two or three candidate optimizers, each reason with its evidence, and a command that decides."""
