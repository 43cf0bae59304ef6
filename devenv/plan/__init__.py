"""What to do: steps with their causes, decided from a Stack and what was observed. Pure and printable."""
