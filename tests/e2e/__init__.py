"""The real `devenv` on a real Docker engine: what it left behind is checked through the engine's own API."""
