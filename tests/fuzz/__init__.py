"""Finds inputs at which what reads people's files breaks: `make fuzz`."""
