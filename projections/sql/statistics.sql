-- tables --
-- Statistics 统计: how often what happened on a Beijing day, by type, issuer, service
-- item and channel.
CREATE TABLE statistics_days (
    partition integer NOT NULL,
    day integer NOT NULL,
    type_code text NOT NULL,
    issuer text NOT NULL,
    item text NOT NULL,
    channel text NOT NULL,
    measure text NOT NULL,
    count bigint NOT NULL,
    delay_s bigint NOT NULL,
    PRIMARY KEY (partition, day, type_code, issuer, item, channel, measure)
) WITH (fillfactor = 80);
CREATE TABLE statistics_licenses (
    partition integer NOT NULL,
    license_ref bytea NOT NULL,
    type_code text NOT NULL,
    issuer text NOT NULL,
    PRIMARY KEY (partition, license_ref)
)

-- add --
-- What some facts add to their days.
INSERT INTO statistics_days (partition, day, type_code, issuer, item, channel, measure, count, delay_s)
SELECT %b, u.day, u.type_code, u.issuer, u.item, u.channel, u.measure, u.count, u.delay_s
FROM unnest(%b::integer[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::bigint[], %b::bigint[])
    AS u (day, type_code, issuer, item, channel, measure, count, delay_s)
ON CONFLICT (partition, day, type_code, issuer, item, channel, measure) DO UPDATE
SET count = statistics_days.count + excluded.count, delay_s = statistics_days.delay_s + excluded.delay_s

-- figures --
-- Sums over a period, with anonymous looks behind QR codes, by those of day, type, issuer, region, item and channel
-- that are asked for; and the same where small parts are each 0 or 5: 5 as often as it is near 5, and whichever it
-- is, it is so in every sum.
SELECT p.through, g.day, g.type_code, g.issuer, g.region, g.item, g.channel, g.measure, g.count, g.delay_s, g.rounded
FROM positions p
LEFT JOIN LATERAL (
    SELECT CASE WHEN %(by_day)b THEN s.day END AS day,
           CASE WHEN %(by_type)b THEN s.type_code END AS type_code,
           CASE WHEN %(by_issuer)b THEN s.issuer END AS issuer,
           CASE WHEN %(by_region)b THEN substr(s.issuer, 3, 6) END AS region,
           CASE WHEN %(by_item)b THEN s.item END AS item,
           CASE WHEN %(by_channel)b THEN s.channel END AS channel,
           s.measure AS measure, sum(s.count)::bigint AS count, sum(s.delay_s)::bigint AS delay_s,
           sum(CASE WHEN s.count >= 5 THEN s.count
                    WHEN abs(mod(hashtextextended(concat_ws(' ', s.day, s.type_code, s.issuer,
                                                            s.item, s.channel, s.measure),
                                                  %(seed)b::bigint), 5)) < s.count THEN 5
                    ELSE 0 END)::bigint AS rounded
    FROM (
        SELECT partition, day, type_code, issuer, item, channel, measure, count, delay_s FROM statistics_days
        UNION ALL
        SELECT partition, (hour + 8) / 24, type_code, issuer, '', '', 'looked', sum(count)::bigint, 0 FROM looks
        WHERE hour BETWEEN %(first)b * 24 - 8 AND %(last)b * 24 + 15
        GROUP BY 1, 2, 3, 4
    ) AS s
    WHERE s.partition = %(partition)b AND s.day BETWEEN %(first)b AND %(last)b
      AND (%(type_code)b::text IS NULL OR s.type_code = %(type_code)b)
      AND (%(issuer)b::text IS NULL OR s.issuer = %(issuer)b)
      AND (%(item)b::text IS NULL OR s.item = %(item)b)
      AND (%(channel)b::text IS NULL OR s.channel = %(channel)b)
      AND (%(region)b::text IS NULL OR starts_with(substr(s.issuer, 3, 6), %(region)b))
    GROUP BY 1, 2, 3, 4, 5, 6, 7
    ORDER BY 1, 2, 3, 4, 5, 6, 7 LIMIT %(limit)b
) AS g ON true
WHERE p.partition = %(partition)b AND p.name = 'statistics'
ORDER BY g.day, g.type_code, g.issuer, g.region, g.item, g.channel, g.measure LIMIT %(limit)b
