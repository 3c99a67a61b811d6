-- ties: rows of equal rank are cut off anywhere; column 2 (the rank) is compared
SELECT regionid, count(DISTINCT userid) AS u FROM hits GROUP BY regionid ORDER BY u DESC LIMIT 10
