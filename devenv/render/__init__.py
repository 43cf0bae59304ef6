"""Stack to text: pure, and the same stack gives the same bytes."""
