"""Mathematics and rules of AI governance. Pure: arrays, files and dataclasses in, dataclasses out.

Nothing here reads a server database, a clock, the network or the environment, and nothing here
imports another package of ours; see docs/house.md for the arrows.
"""
