-- ties: rows of equal rank are cut off anywhere; column 4 (the rank) is compared
SELECT userid, extract(minute FROM eventtime) AS m, searchphrase, count(*)
FROM hits GROUP BY userid, m, searchphrase ORDER BY count(*) DESC LIMIT 10
