"""What people read: the summary of a run, vouchers, and the tables written beside a ledger."""
