"""The documents that ship with the library: one TOML file each, its worked cases beside it."""
