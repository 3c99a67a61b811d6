-- ties: rows of equal rank are cut off anywhere; column 3 (the rank) is compared
SELECT 1, url, count(*) AS c FROM hits GROUP BY 1, url ORDER BY c DESC LIMIT 10
