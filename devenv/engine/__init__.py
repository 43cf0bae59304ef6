"""Loads the project and carries out plans: steps in parallel, progress as events."""
