"""What the ledger is measured against: an ordinary service, and floors below which no service can be."""
