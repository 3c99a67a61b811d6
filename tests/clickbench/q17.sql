-- ties: rows of equal rank are cut off anywhere; column 3 (the rank) is compared
SELECT userid, searchphrase, count(*) FROM hits GROUP BY userid, searchphrase ORDER BY count(*) DESC LIMIT 10
