"""A stack as containers of one Docker engine: Compose creates them, devenv starts and watches them."""
