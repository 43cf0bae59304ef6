"""The manifest language: models, YAML with line marks, rules. Text to a `Manifest`, or to all its problems.

Pure: nothing here reads a file, a clock or the environment.
"""
