-- checkpoint --
-- The tree head at one size.
SELECT root, generation, frontier FROM checkpoints WHERE partition = %b AND size = %b
