-- checkpoint --
-- The tree head at one size.
SELECT root, generation, frontier FROM checkpoints WHERE partition = %b AND size = %b

-- pieces --
-- Printed pieces of a version of a license, in their order.
SELECT piece, piece_key, is_cancelled FROM pieces
WHERE partition = %b AND license_ref = %b AND version = %b ORDER BY piece LIMIT %b
