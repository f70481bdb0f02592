"""The columnar twin of `assess`: every household of a country on one machine, a few look-ups a row.

The plain `assess` and the plain `money` say what is right; what stands here is held to them to the fen.
"""
