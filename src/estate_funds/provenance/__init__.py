"""Where each fen came from: every outgoing fen of a journal traced to the receipts it came from."""

from estate_funds.provenance.fold import Provenance, trace
from estate_funds.provenance.parts import Flow, Forward, MadeGood, Part, Receipt
from estate_funds.provenance.ways import Link, Node, Ways

__all__ = ["Flow", "Forward", "Link", "MadeGood", "Node", "Part", "Provenance", "Receipt", "Ways", "trace"]
