"""Cooperative matrix games and the exact best fit of every value class."""
