"""Differential testing: random graphs on Attune and on a reference, which must give the same.

recipes/ says, for each operator, how to add a valid node to a graph; graph.py holds the graph while it grows, and knows
every value in it; reference.py computes a node; rounding.py says how far a value may be from the reference's;
runner.py runs a graph on Attune at each level and in each mode; minimize.py makes a failing graph small;
known_differences.py names what is meant to differ. `make differential` is campaign.py.
"""
