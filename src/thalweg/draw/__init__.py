"""Pictures of descents: trajectories, losses, maps and animations, drawn from the formulas that train."""
