"""A stand-in for Kong Gateway 3.9: a small reverse proxy that reads the same kong.yml."""
