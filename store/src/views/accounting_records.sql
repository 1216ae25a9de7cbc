SELECT 'received' AS fate, NULL AS reason, COALESCE(sum(received), 0) AS records FROM objects
UNION ALL
SELECT 'kept', NULL, COALESCE(sum(kept), 0) FROM objects
UNION ALL
SELECT 'duplicate', NULL, COALESCE(sum(duplicate), 0) FROM objects
UNION ALL
SELECT 'skipped', reason, sum(records) FROM skipped_records GROUP BY reason
UNION ALL
SELECT 'parked', reason, sum(records) FROM parked GROUP BY reason HAVING sum(records) > 0
