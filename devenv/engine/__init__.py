"""Moves a plan: runs its steps in parallel, reports events, stops cleanly."""
