-- ties: rows of equal rank are cut off anywhere; column 2 (the rank) is compared
SELECT url, count(*) AS c FROM hits GROUP BY url ORDER BY c DESC LIMIT 10
