-- ties: which rows are cut off by LIMIT is open; only their number is compared
SELECT searchphrase FROM hits WHERE searchphrase <> '' ORDER BY eventtime LIMIT 10
