SELECT 'received' AS fate, NULL AS reason, COALESCE(sum(deliveries), 0) AS objects FROM objects
UNION ALL
SELECT 'kept', NULL, count(*) FROM objects WHERE outcome = 'decoded'
UNION ALL
SELECT 'duplicate', NULL, COALESCE(sum(deliveries - 1), 0) FROM objects
UNION ALL
SELECT outcome, reason, count(*) FROM objects WHERE outcome IN ('skipped', 'parked') GROUP BY outcome, reason
