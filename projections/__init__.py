"""Floor 2: what can be asked. Disposable read models, rebuilt from the events of `ledger`."""
