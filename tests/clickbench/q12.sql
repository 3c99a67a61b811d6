-- ties: rows of equal rank are cut off anywhere; column 3 (the rank) is compared
SELECT mobilephone, mobilephonemodel, count(DISTINCT userid) AS u
FROM hits WHERE mobilephonemodel <> '' GROUP BY mobilephone, mobilephonemodel ORDER BY u DESC LIMIT 10
