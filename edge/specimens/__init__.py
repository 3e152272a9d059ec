"""Specimens as their operators see them: what is ordered and what is reported."""
