"""Files in: tables with declared columns, household files over columns, case folders."""
