//! The four dimensions. A row is a pure function of the seed and its key, so that the flat table can look it up
//! without keeping the dimension in memory.

use super::*;
use crate::table::civil;

/// First and last day of the calendar: 1992-01-01 and 1998-12-31, in days since 1970-01-01.
pub(crate) const FIRST_DAY: i64 = 8035;
pub(crate) const LAST_DAY: i64 = 10_591;

const REGIONS: [&str; 5] = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"];
const NATIONS: [(&str, usize); 25] = [
    ("ALGERIA", 0),
    ("ARGENTINA", 1),
    ("BRAZIL", 1),
    ("CANADA", 1),
    ("EGYPT", 4),
    ("ETHIOPIA", 0),
    ("FRANCE", 3),
    ("GERMANY", 3),
    ("INDIA", 2),
    ("INDONESIA", 2),
    ("IRAN", 4),
    ("IRAQ", 4),
    ("JAPAN", 2),
    ("JORDAN", 4),
    ("KENYA", 0),
    ("MOROCCO", 0),
    ("MOZAMBIQUE", 0),
    ("PERU", 1),
    ("CHINA", 2),
    ("ROMANIA", 3),
    ("SAUDI ARABIA", 4),
    ("VIETNAM", 2),
    ("RUSSIA", 3),
    ("UNITED KINGDOM", 3),
    ("UNITED STATES", 1),
];
const SEGMENTS: [&str; 5] = ["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"];
const COLORS: [&str; 12] =
    ["almond", "azure", "beige", "black", "blue", "coral", "cream", "green", "indian", "lace", "maroon", "navy"];
const MATERIALS: [&str; 5] = ["TIN", "NICKEL", "BRASS", "STEEL", "COPPER"];
const FINISHES: [&str; 5] = ["ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED"];
const KINDS: [&str; 6] = ["STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO"];
const CONTAINERS: [&str; 8] = ["CASE", "BOX", "BAG", "JAR", "PKG", "PACK", "CAN", "DRUM"];
const CONTAINER_SIZES: [&str; 5] = ["SM", "LG", "MED", "JUMBO", "WRAP"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Where a customer or supplier lives, and how to reach it.
#[derive(Debug, Clone)]
pub(crate) struct Party {
    pub name: String,
    pub address: String,
    pub city: String,
    pub nation: &'static str,
    pub region: &'static str,
    pub phone: String,
    pub segment: &'static str,
}

impl Party {
    pub fn customer(seed: u64, key: u64) -> Self {
        Self::of(row_rng(seed, CUSTOMER_LANE, key), format!("Customer#{key:09}"))
    }

    pub fn supplier(seed: u64, key: u64) -> Self {
        Self::of(row_rng(seed, SUPPLIER_LANE, key), format!("Supplier#{key:09}"))
    }

    fn of(mut rng: SplitMix, name: String) -> Self {
        let index = rng.below(25);
        let (nation, region) = NATIONS[index as usize];
        let address = (0..rng.between(10, 20)).map(|_| char::from(b'a' + rng.below(26) as u8)).collect();
        let phone = format!(
            "{}-{:03}-{:03}-{:04}",
            10 + index,
            rng.between(100, 999),
            rng.between(100, 999),
            rng.between(1000, 9999)
        );
        // A city is its nation's name cut or padded to nine characters and a digit.
        let city = format!("{:<9.9}{}", nation, rng.below(10));
        Self { name, address, city, nation, region: REGIONS[region], phone, segment: rng.pick(&SEGMENTS) }
    }
}

/// A row of `part`.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub name: String,
    pub mfgr: String,
    pub category: String,
    pub brand: String,
    pub color: &'static str,
    pub kind: String,
    pub size: i32,
    pub container: String,
}

impl Part {
    pub fn of(seed: u64, key: u64) -> Self {
        let mut rng = row_rng(seed, PART_LANE, key);
        let mfgr = format!("MFGR#{}", rng.between(1, 5));
        let category = format!("{mfgr}{}", rng.between(1, 5));
        let brand = format!("{category}{}", rng.between(1, 40));
        let color = rng.pick(&COLORS);
        Self {
            name: format!("{color} {}", rng.pick(&COLORS)),
            brand,
            category,
            mfgr,
            color,
            kind: format!("{} {} {}", rng.pick(&KINDS), rng.pick(&FINISHES), rng.pick(&MATERIALS)),
            size: rng.between(1, 50) as i32,
            container: format!("{} {}", rng.pick(&CONTAINER_SIZES), rng.pick(&CONTAINERS)),
        }
    }

    /// Price of one piece, in cents.
    pub fn price(key: u64) -> i64 {
        90_000 + (key as i64 / 10) % 20_001 + 100 * (key as i64 % 1000)
    }
}

/// A day as `YYYYMMDD`.
pub(crate) fn date_key(day: i64) -> i32 {
    let (year, month, day) = civil(day);
    year as i32 * 10_000 + month as i32 * 100 + day as i32
}

/// The calendar: one row per day of seven years.
pub(crate) fn dates() -> TableSource {
    use DataType::{Int32, Utf8};
    let schema = schema(&[
        ("d_datekey", Int32),
        ("d_date", Utf8),
        ("d_dayofweek", Utf8),
        ("d_month", Utf8),
        ("d_year", Int32),
        ("d_yearmonthnum", Int32),
        ("d_yearmonth", Utf8),
        ("d_daynuminweek", Int32),
        ("d_daynuminmonth", Int32),
        ("d_daynuminyear", Int32),
        ("d_monthnuminyear", Int32),
        ("d_weeknuminyear", Int32),
        ("d_sellingseason", Utf8),
        ("d_lastdayinweekfl", Int32),
        ("d_lastdayinmonthfl", Int32),
        ("d_holidayfl", Int32),
        ("d_weekdayfl", Int32),
    ]);
    let of = schema.clone();
    TableSource::new("dates", schema, 1, move |_| Box::new(std::iter::once(calendar(&of))))
}

fn calendar(schema: &SchemaRef) -> RecordBatch {
    let days = || FIRST_DAY..=LAST_DAY;
    let weekday = |day: i64| ((day + 4).rem_euclid(7)) as usize;
    let in_year = |day: i64| (day - first_of_year(civil(day).0)) as i32 + 1;
    let month_index = |day: i64| civil(day).1 as usize - 1;
    let columns = vec![
        ints(days().map(date_key)),
        texts(days().map(|d| format!("{} {}, {}", MONTHS[month_index(d)], civil(d).2, civil(d).0))),
        texts(days().map(|d| WEEKDAYS[weekday(d)])),
        texts(days().map(|d| MONTHS[month_index(d)])),
        ints(days().map(|d| civil(d).0 as i32)),
        ints(days().map(|d| date_key(d) / 100)),
        texts(days().map(|d| format!("{:.3}{}", MONTHS[month_index(d)], civil(d).0))),
        ints(days().map(|d| weekday(d) as i32 + 1)),
        ints(days().map(|d| civil(d).2 as i32)),
        ints(days().map(in_year)),
        ints(days().map(|d| civil(d).1 as i32)),
        ints(days().map(|d| (in_year(d) - 1) / 7 + 1)),
        texts(days().map(|d| season(civil(d).1))),
        ints(days().map(|d| i32::from(weekday(d) == 6))),
        ints(days().map(|d| i32::from(civil(d + 1).2 == 1))),
        ints(days().map(|d| i32::from(matches!((civil(d).1, civil(d).2), (12, 25) | (1, 1) | (7, 4))))),
        ints(days().map(|d| i32::from((1..=5).contains(&weekday(d))))),
    ];
    batch(schema, columns)
}

fn first_of_year(year: i64) -> i64 {
    (FIRST_DAY..=LAST_DAY).find(|d| civil(*d).0 == year).expect("the calendar begins on a first of January")
}

fn season(month: u32) -> &'static str {
    match month {
        12 => "Christmas",
        1 | 2 => "Winter",
        3..=5 => "Spring",
        6..=8 => "Summer",
        _ => "Fall",
    }
}

pub(crate) fn customer(seed: u64, sizes: Sizes, chunk_rows: usize) -> TableSource {
    use DataType::{Int32, Utf8};
    let schema = schema(&[
        ("c_custkey", Int32),
        ("c_name", Utf8),
        ("c_address", Utf8),
        ("c_city", Utf8),
        ("c_nation", Utf8),
        ("c_region", Utf8),
        ("c_phone", Utf8),
        ("c_mktsegment", Utf8),
    ]);
    keyed("customer", schema, sizes.customers, chunk_rows, move |schema, keys| {
        let rows: Vec<Party> = keys.iter().map(|k| Party::customer(seed, *k)).collect();
        let mut columns = party_columns(keys, &rows);
        columns.push(texts(rows.iter().map(|r| r.segment)));
        batch(schema, columns)
    })
}

pub(crate) fn supplier(seed: u64, sizes: Sizes, chunk_rows: usize) -> TableSource {
    use DataType::{Int32, Utf8};
    let schema = schema(&[
        ("s_suppkey", Int32),
        ("s_name", Utf8),
        ("s_address", Utf8),
        ("s_city", Utf8),
        ("s_nation", Utf8),
        ("s_region", Utf8),
        ("s_phone", Utf8),
    ]);
    keyed("supplier", schema, sizes.suppliers, chunk_rows, move |schema, keys| {
        let rows: Vec<Party> = keys.iter().map(|k| Party::supplier(seed, *k)).collect();
        batch(schema, party_columns(keys, &rows))
    })
}

fn party_columns(keys: &[u64], rows: &[Party]) -> Vec<ArrayRef> {
    vec![
        ints(keys.iter().map(|k| *k as i32)),
        texts(rows.iter().map(|r| &r.name)),
        texts(rows.iter().map(|r| &r.address)),
        texts(rows.iter().map(|r| &r.city)),
        texts(rows.iter().map(|r| r.nation)),
        texts(rows.iter().map(|r| r.region)),
        texts(rows.iter().map(|r| &r.phone)),
    ]
}

pub(crate) fn part(seed: u64, sizes: Sizes, chunk_rows: usize) -> TableSource {
    use DataType::{Int32, Utf8};
    let schema = schema(&[
        ("p_partkey", Int32),
        ("p_name", Utf8),
        ("p_mfgr", Utf8),
        ("p_category", Utf8),
        ("p_brand", Utf8),
        ("p_color", Utf8),
        ("p_type", Utf8),
        ("p_size", Int32),
        ("p_container", Utf8),
    ]);
    keyed("part", schema, sizes.parts, chunk_rows, move |schema, keys| {
        let rows: Vec<Part> = keys.iter().map(|k| Part::of(seed, *k)).collect();
        let columns = vec![
            ints(keys.iter().map(|k| *k as i32)),
            texts(rows.iter().map(|r| &r.name)),
            texts(rows.iter().map(|r| &r.mfgr)),
            texts(rows.iter().map(|r| &r.category)),
            texts(rows.iter().map(|r| &r.brand)),
            texts(rows.iter().map(|r| r.color)),
            texts(rows.iter().map(|r| &r.kind)),
            ints(rows.iter().map(|r| r.size)),
            texts(rows.iter().map(|r| &r.container)),
        ];
        batch(schema, columns)
    })
}

/// A table whose rows follow from their key, 1 to `rows`.
fn keyed(
    name: &'static str,
    schema: SchemaRef,
    rows: u64,
    chunk_rows: usize,
    make: impl Fn(&SchemaRef, &[u64]) -> RecordBatch + Send + Sync + Clone + 'static,
) -> TableSource {
    let chunk_rows = (chunk_rows as u64).min(rows).max(1);
    let of = schema.clone();
    TableSource::new(name, schema, rows.div_ceil(chunk_rows) as usize, move |chunk| {
        let first = chunk as u64 * chunk_rows + 1;
        let keys: Vec<u64> = (first..=(first + chunk_rows - 1).min(rows)).collect();
        let (of, make) = (of.clone(), make.clone());
        let batches: Vec<_> = keys.chunks(8192).map(|keys| make(&of, keys)).collect();
        Box::new(batches.into_iter())
    })
}
