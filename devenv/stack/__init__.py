"""What should run, independent of any runtime: units, their order, the catalogue, and how a manifest becomes them.

Pure: what the world says (secrets' names, host ports, digests of sources) comes in as values.
"""
