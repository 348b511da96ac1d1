-- select_events --
-- One stream's events, in the columns the library expects; it adds conditions and order.
SELECT stream_id AS originator_id, version AS originator_version, topic, state
FROM (SELECT stream_id, version, topic, state, version AS originator_version, stream_id AS originator_id
      FROM events WHERE partition = {partition}) AS stored
WHERE originator_id = %s

-- max_notification_id --
-- The newest position.
SELECT max(position) AS max FROM events WHERE partition = {partition}

-- select_states --
-- Leaf indexes and bytes of the events after a position, in their order.
SELECT position - 1, state FROM events
WHERE partition = %(partition)b AND position > %(after)b
ORDER BY position LIMIT %(limit)b

-- select_notifications --
-- Events in position order, between two positions, of some topics.
SELECT position, stream_id, version, topic, state FROM events
WHERE partition = %(partition)b AND position > %(after)b
  AND (%(stop)b::bigint IS NULL OR position <= %(stop)b)
  AND (%(topics)b::text[] IS NULL OR topic = ANY(%(topics)b::text[]))
ORDER BY position LIMIT %(limit)b
