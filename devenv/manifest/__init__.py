"""The language users write: models, YAML with line marks, rules. Text in, `Manifest` or every problem out.

Nothing here reads a file, a clock or the environment.
"""
