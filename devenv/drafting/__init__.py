"""Drafts a manifest of what a project has already: a Compose project, objects of Kubernetes, Dockerfiles.

Pure: files come in as values, and the draft goes out as text. `convert` reads a Compose project, which
`kubernetes` makes of objects as well, `survey` a repository; `draft` holds what it found, and what to say of
the rest; `writing` writes it down.
"""
