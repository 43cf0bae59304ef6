"""The labels by which everything of ours is found again; there is no other record of what runs."""

LABEL = "devenv.dev/"

BUILT_AS = "built-as"
"""On an image: the very name that it was built under. Its other names are others', as are its offspring."""
