"""What tests and examples are made with, here and elsewhere.

Registers that tie to published totals, worked cases, a second and naive ledger (`model`), and the contract of a
ring-fence (`ring_fence`), which wants Hypothesis. So do the contract of a store (`stores`), that of an exporter
(`exporters`), and the journals that both are tried with (`hard_journals`).
"""
