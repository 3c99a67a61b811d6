-- ties: rows of equal rank are cut off anywhere; column 3 (the rank) is compared
SELECT searchengineid, searchphrase, count(*) AS c
FROM hits WHERE searchphrase <> '' GROUP BY searchengineid, searchphrase ORDER BY c DESC LIMIT 10
