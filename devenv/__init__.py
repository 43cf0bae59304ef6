"""A local development environment from one manifest. Importing this package costs nothing."""

__version__ = "0.1.0"

STATE = ".devenv"
"""The folder that devenv writes to: never part of any sources, and never sent to a builder."""

MANIFESTS = ("devenv.yaml", "devenv.yml")
"""What a manifest is called; the first that is there counts."""
