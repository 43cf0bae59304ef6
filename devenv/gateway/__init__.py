"""Embedded gateway: a small reverse proxy that reads the kong.yml a Kong Gateway 3.9 reads."""
