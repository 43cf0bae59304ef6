"""The rules of hot reload, and what they decide. Pure."""
