"""What should run, independent of any runtime: units, their order, the catalogue, resolving.

Pure: what the world says (secrets' names, host ports, digests of sources) comes in as values.
"""
