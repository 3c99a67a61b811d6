-- ties: rows of equal rank are cut off anywhere; column 2 (the rank) is compared
SELECT counterid, avg(length(url)) AS l, count(*) AS c
FROM hits WHERE url <> '' GROUP BY counterid HAVING count(*) > 100000 ORDER BY l DESC LIMIT 25
