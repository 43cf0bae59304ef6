"""Drafts a manifest of what a project has already: a Compose project, or Dockerfiles and package files.

Pure: files come in as values, and the draft goes out as text. `convert` reads a Compose project; `draft`
holds what it found, and what to say of the rest; `writing` writes it down.
"""
