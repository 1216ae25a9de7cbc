-- Sums joined to their names, as in accounting_objects; parts by reason are grouped, which a filter on a name cannot spoil.
SELECT fates.fate, CAST(NULL AS VARCHAR) AS reason,
       CASE fates.fate WHEN 'received' THEN sums.received WHEN 'kept' THEN sums.kept ELSE sums.duplicate END AS records
FROM (VALUES ('received'), ('kept'), ('duplicate')) AS fates (fate)
CROSS JOIN (
    SELECT COALESCE(sum(received), 0) AS received, COALESCE(sum(kept), 0) AS kept,
           COALESCE(sum(duplicate), 0) AS duplicate
    FROM objects
) AS sums
UNION ALL
SELECT 'skipped', reason, sum(records) FROM skipped_records GROUP BY reason
UNION ALL
SELECT 'parked', reason, sum(records) FROM parked GROUP BY reason HAVING sum(records) > 0
