-- ties: which rows are cut off by LIMIT is open; only their number is compared
SELECT userid, searchphrase, count(*) FROM hits GROUP BY userid, searchphrase LIMIT 10
