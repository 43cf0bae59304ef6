"""What Kong Gateway 3.9 refuses to start with, told before it is started.

Every check answers with Kong's own reason, or with nothing. Values are those of its declarative
configuration; text in them that devenv fills in later counts as a digit (see `rules`).
"""
