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
);
CREATE TABLE bulletin_months (
    partition integer NOT NULL,
    month integer NOT NULL,
    type_code text NOT NULL,
    department text NOT NULL,
    measure text NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (partition, month, type_code, department, measure)
) WITH (fillfactor = 80);
CREATE TABLE bulletin_editions (
    partition integer NOT NULL,
    month integer NOT NULL,
    edition integer NOT NULL,
    closed_index bigint NOT NULL,
    closed_at bigint NOT NULL,
    PRIMARY KEY (partition, month, edition)
);
CREATE TABLE bulletin_figures (
    partition integer NOT NULL,
    month integer NOT NULL,
    edition integer NOT NULL,
    type_code text NOT NULL,
    department text NOT NULL,
    measure text NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (partition, month, edition, type_code, department, measure)
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

-- add_to_months --
-- What some facts add to their months.
INSERT INTO bulletin_months (partition, month, type_code, department, measure, count)
SELECT %b, u.month, u.type_code, u.department, u.measure, u.count
FROM unnest(%b::integer[], %b::text[], %b::text[], %b::text[], %b::bigint[])
    AS u (month, type_code, department, measure, count)
ON CONFLICT (partition, month, type_code, department, measure) DO UPDATE
SET count = bulletin_months.count + excluded.count

-- close_month --
-- The next edition of a month.
INSERT INTO bulletin_editions (partition, month, edition, closed_index, closed_at)
SELECT a.partition, a.month, coalesce(e.edition, 0) + 1, a.closed_index, a.closed_at
FROM (SELECT %b::bigint AS closed_index, %b::bigint AS closed_at, %b::integer AS partition, %b::integer AS month) AS a
LEFT JOIN LATERAL (
    SELECT edition FROM bulletin_editions
    WHERE partition = a.partition AND month = a.month ORDER BY edition DESC LIMIT 1
) AS e ON true

-- freeze_month --
-- The figures of a month as they are, under its newest edition.
INSERT INTO bulletin_figures (partition, month, edition, type_code, department, measure, count)
SELECT m.partition, m.month, e.edition, m.type_code, m.department, m.measure, m.count
FROM bulletin_months m
CROSS JOIN LATERAL (
    SELECT edition FROM bulletin_editions
    WHERE partition = m.partition AND month = m.month ORDER BY edition DESC LIMIT 1
) AS e
WHERE m.partition = %b AND m.month = %b

-- editions --
-- The editions of months, the newest month first, with the index come through.
SELECT p.through, e.month, e.edition, e.closed_index, e.closed_at
FROM positions p
LEFT JOIN LATERAL (
    SELECT month, edition, closed_index, closed_at FROM bulletin_editions
    WHERE partition = %(partition)b ORDER BY month DESC, edition DESC LIMIT %(limit)b
) AS e ON true
WHERE p.partition = %(partition)b AND p.name = 'statistics'
ORDER BY e.month DESC, e.edition DESC LIMIT %(limit)b

-- bulletin --
-- Sums of a month by those of type, department and region that are asked for: of one edition or of the newest, else
-- as counted so far; the same with parts each at a multiple of five beside it, farther ones never; and what an
-- edition lacks that was recorded since.
SELECT p.through, e.edition, e.closed_index, e.closed_at,
       g.type_code, g.department, g.region, g.measure, g.count, g.rounded, g.late
FROM positions p
LEFT JOIN LATERAL (
    SELECT edition, closed_index, closed_at FROM bulletin_editions
    WHERE partition = %(partition)b AND month = %(month)b
      AND (%(edition)b::integer IS NULL OR edition = %(edition)b)
    ORDER BY edition DESC LIMIT 1
) AS e ON true
LEFT JOIN LATERAL (
    SELECT CASE WHEN %(by_type)b THEN s.type_code END AS type_code,
           CASE WHEN %(by_department)b THEN s.department END AS department,
           CASE WHEN %(by_region)b THEN substr(s.department, 3, 6) END AS region,
           s.measure AS measure, sum(s.count)::bigint AS count,
           sum(s.count - mod(s.count, 5)
               + CASE WHEN abs(mod(hashtextextended(concat_ws(' ', 'bulletin', %(month)b::integer, s.type_code,
                                                              s.department, s.measure),
                                                    %(seed)b::bigint), 5)) < mod(s.count, 5)
                      THEN 5 ELSE 0 END)::bigint AS rounded,
           sum(s.late)::bigint AS late
    FROM (
        SELECT m.type_code, m.department, m.measure,
               CASE WHEN e.edition IS NULL THEN m.count ELSE coalesce(f.count, 0) END AS count,
               CASE WHEN e.edition IS NULL THEN 0 ELSE m.count - coalesce(f.count, 0) END AS late
        FROM bulletin_months m
        LEFT JOIN bulletin_figures f
               ON f.partition = m.partition AND f.month = m.month AND f.edition = e.edition
              AND f.type_code = m.type_code AND f.department = m.department AND f.measure = m.measure
        WHERE m.partition = %(partition)b AND m.month = %(month)b
    ) AS s
    GROUP BY 1, 2, 3, 4
    ORDER BY 1, 2, 3, 4 LIMIT %(limit)b
) AS g ON true
WHERE p.partition = %(partition)b AND p.name = 'statistics'
ORDER BY g.type_code, g.department, g.region, g.measure LIMIT %(limit)b
