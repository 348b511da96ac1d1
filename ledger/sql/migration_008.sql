-- checkpoint_mac --
-- A keyed digest of each tree head, which nobody can make who has the database alone.
ALTER TABLE checkpoints ADD COLUMN mac bytea
