"""Checks this machine against what it is to run: facts gathered side by side, verdicts that follow."""
