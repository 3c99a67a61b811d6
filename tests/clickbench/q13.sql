-- ties: rows of equal rank are cut off anywhere; column 2 (the rank) is compared
SELECT searchphrase, count(*) AS c
FROM hits WHERE searchphrase <> '' GROUP BY searchphrase ORDER BY c DESC LIMIT 10
