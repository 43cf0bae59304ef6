"""Plain processes of this machine: what works where no container engine is.

One supervisor for each stack starts the programs, keeps their logs and outlives the terminal. What runs is
recorded in files, each with the identity of its process, so that a pid that means another one by now is
never signalled.
"""
