"""One file a stage: typed values in, `Saved` out; and beside it what reads it back.

Nothing here knows a plugin, a file or a command line. The engine calls them in this order: judges (the labelers are
fitted), generate, search, audit (in judges), regions, correct, evidence.
"""
