"""Benchmarks: what the ledger does in a second, measured from outside."""
