-- ties: rows of equal rank are cut off anywhere; column 2 (the rank) is compared
SELECT mobilephonemodel, count(DISTINCT userid) AS u
FROM hits WHERE mobilephonemodel <> '' GROUP BY mobilephonemodel ORDER BY u DESC LIMIT 10
