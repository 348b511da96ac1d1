-- compromised_keys --
-- Decision state: from which size of the log on a verification key was not the ledger's alone.
ALTER TABLE signing_keys ADD COLUMN compromised_since bigint
