-- ties: rows of equal rank are cut off anywhere; column 2 (the rank) is compared
SELECT searchphrase, count(DISTINCT userid) AS u
FROM hits WHERE searchphrase <> '' GROUP BY searchphrase ORDER BY u DESC LIMIT 10
