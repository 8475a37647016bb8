"""A course and a small library on cooperative agents that share one value function."""
