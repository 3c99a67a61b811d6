-- ties: rows of equal rank are cut off anywhere; column 5 (the rank) is compared
SELECT * FROM hits WHERE url LIKE '%google%' ORDER BY eventtime LIMIT 10
