"""What tests and examples are made with: registries that tie to published totals."""
