"""The labels by which everything of ours is found again; there is no other record of what runs."""

LABEL = "devenv.dev/"
