-- ties: rows of equal rank are cut off anywhere; column 3 (the rank) is compared
SELECT watchid, clientip, count(*) AS c, sum(isrefresh), avg(resolutionwidth)
FROM hits WHERE searchphrase <> '' GROUP BY watchid, clientip ORDER BY c DESC LIMIT 10
