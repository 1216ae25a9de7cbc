-- The sums are joined to their names: a filter on a name that stands as a literal above an aggregate is pushed below it
-- by the optimizer, where it empties the input but not the answer.
SELECT fates.fate, CAST(NULL AS VARCHAR) AS reason,
       CASE fates.fate WHEN 'received' THEN sums.received WHEN 'kept' THEN sums.kept ELSE sums.duplicate END AS objects
FROM (VALUES ('received'), ('kept'), ('duplicate')) AS fates (fate)
CROSS JOIN (
    SELECT COALESCE(sum(deliveries), 0) AS received,
           count(*) FILTER (WHERE outcome = 'decoded') AS kept,
           COALESCE(sum(deliveries - 1), 0) AS duplicate
    FROM objects
) AS sums
UNION ALL
SELECT outcome, reason, count(*) FROM objects WHERE outcome IN ('skipped', 'parked') GROUP BY outcome, reason
