"""Decides what to do: steps with causes, from a Stack and the observed units. Pure and printable."""
