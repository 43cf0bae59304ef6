"""A gateway's configuration as parts of a manifest: Kong's declarative form, decK's, or kongfig's.

Pure. `forms` brings the three to one document, `convert` writes of it what a manifest can say and keeps the
rest in Kong's words for `gateway.extra`.
"""
