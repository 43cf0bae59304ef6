"""A local development environment from one manifest. Importing this package costs nothing."""

__version__ = "0.1.0"
