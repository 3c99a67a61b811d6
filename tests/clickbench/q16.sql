-- ties: rows of equal rank are cut off anywhere; column 2 (the rank) is compared
SELECT userid, count(*) FROM hits GROUP BY userid ORDER BY count(*) DESC LIMIT 10
