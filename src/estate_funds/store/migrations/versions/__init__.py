"""One migration per format. What is here never changes: it must read what was written by the version of its day."""
