"""Every household of a country on one machine, then on a cluster: the columnar twin of `assess`.

A provision is compiled to integer tables over a small key, so that a row of the register costs a few look-ups. The
plain `assess` is the reference, and both are equal to the fen. Households come in partitions, a file or a part of one;
each gives one file of results and its integer totals, so that a run can stop anywhere and go on.
"""
