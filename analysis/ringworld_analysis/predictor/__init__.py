"""The time of a step that was not run, from a configuration and a few rates that were measured.

Nothing here reads a file or knows MPI. Times are in seconds, rates in FLOP/s and B/s, lengths in tokens. The
equations are those of ring attention: a rank computes on the block of keys that it holds while the next one travels.
"""
