//! One block of rows: the columns that hang together are woven here, the others drawn as `columns.rs` says.

use super::{
    BLOCK_ROWS,
    columns::{COLUMNS, Column, Draw, Kind},
    words,
};
use crate::{SplitMix, rng::mix};
use arrow::{array::*, datatypes::SchemaRef, record_batch::RecordBatch};
use std::sync::Arc;

/// 2013-07-01 in days and in seconds since 1970-01-01.
const JULY_DAY: i64 = 15_887;
const JULY: i64 = JULY_DAY * 86_400;
const DAY: i64 = 86_400;
/// The table is this many sorted parts, one after the other.
const PARTS: u64 = 8;
/// A visitor, an address and a referer that queries ask for by value.
const KNOWN_USER: i64 = 435_090_932_899_640_449;
const KNOWN_URL_HASH: i64 = 2_868_770_270_353_813_622;
const KNOWN_REFERER_HASH: i64 = 3_594_120_000_172_545_465;
const PHONES: [&str; 8] = ["iPad", "iPhone", "A500", "GT-I9500", "Lumia 920", "GALAXY S4", "N95", "HTC One"];

/// Everything a block follows from, besides its number.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    rows: u64,
    seed: u64,
    users: u64,
    /// Running share of rows per counter, and the counter's id.
    counters: Arc<Vec<(f64, i32)>>,
}

/// The woven values of one row.
struct Hit {
    counter: i32,
    second: i64,
    user: u64,
    host: u64,
    /// Number of the page within its counter.
    page: u64,
    referer: Option<u64>,
    phrase: u64,
    phone: usize,
    watch: i64,
    ip: i32,
}

impl Shape {
    pub fn new(rows: u64, seed: u64) -> Self {
        let counters = 6000u64;
        let weight = |rank: u64| 1.0 / (rank as f64 + 6.0);
        // Counter 62 gets the rank whose share is nearest to three quarters of a percent.
        let id = |rank: u64| if rank == 9 { 62 } else { 63 + (mix(rank) % 260_000) as i32 };
        let mut ids: Vec<(i32, f64)> = (0..counters).map(|rank| (id(rank), weight(rank))).collect();
        ids.sort_unstable_by_key(|(id, _)| *id);
        let total: f64 = ids.iter().map(|(_, w)| w).sum();
        let mut sum = 0.0;
        let counters = ids
            .into_iter()
            .map(|(id, weight)| {
                sum += weight / total;
                (sum, id)
            })
            .collect();
        Self { rows, seed, users: (rows / 6).max(10), counters: Arc::new(counters) }
    }

    /// Rows of block `index`.
    pub fn block(&self, schema: &SchemaRef, index: u64) -> RecordBatch {
        let first = index * BLOCK_ROWS;
        let count = BLOCK_ROWS.min(self.rows - first.min(self.rows));
        let mut rng = SplitMix::new(self.seed, index);
        let mut hits: Vec<Hit> = (first..first + count).map(|row| self.hit(row, &mut rng)).collect();
        hits.sort_by_key(|h| (h.counter, h.second / DAY, user_id(h.user), h.second, h.watch));
        let columns = COLUMNS.iter().map(|column| self.column(column, &hits, &mut rng)).collect();
        RecordBatch::try_new(schema.clone(), columns).expect("the generator's columns follow its schema")
    }

    fn hit(&self, row: u64, rng: &mut SplitMix) -> Hit {
        let part_rows = self.rows.div_ceil(PARTS);
        let place = (row % part_rows) as f64 / part_rows as f64;
        let at = self.counters.partition_point(|(sum, _)| *sum <= place).min(self.counters.len() - 1);
        let (end, counter) = self.counters[at];
        let begin = if at == 0 { 0.0 } else { self.counters[at - 1].0 };
        // Within a counter the days go by from its first row to its last.
        let progress = ((place - begin) / (end - begin)).clamp(0.0, 0.999_999);
        let day = (progress * 31.0) as i64;
        let visitor = rng.skewed(self.users, 2);
        // A counter has one or two hosts and, over the month, a page for every three hits.
        let host = if rng.chance(1) { rng.below(2) } else { 4 + mix(counter as u64) % 3000 + rng.below(2) };
        let pages = ((end - begin) * self.rows as f64 / 3.0) as u64;
        let referer = if rng.chance(180) { None } else { Some(rng.skewed((self.rows / 6).max(100), 2)) };
        Hit {
            counter,
            second: JULY + day * DAY + (rng.below(DAY as u64) as i64),
            user: visitor,
            host,
            page: rng.skewed(pages.max(5), 2),
            referer,
            phrase: if rng.chance(131) { 1 + rng.skewed((self.rows / 16).max(50), 3) } else { 0 },
            phone: if rng.chance(60) { 1 + rng.skewed(PHONES.len() as u64, 2) as usize } else { 0 },
            watch: (rng.next_u64() >> 1) as i64,
            ip: mix(visitor ^ 0x1b) as i32,
        }
    }

    fn column(&self, column: &Column, hits: &[Hit], rng: &mut SplitMix) -> ArrayRef {
        if matches!(column.draw, Draw::Woven) {
            return self.woven(column, hits, rng);
        }
        if let Kind::Text = column.kind {
            return match column.draw {
                Draw::OneOf(choices) => Arc::new(StringArray::from_iter_values(hits.iter().map(|_| rng.pick(choices)))),
                _ => Arc::new(StringArray::from_iter_values(hits.iter().map(|_| ""))),
            };
        }
        numbers(column.kind, hits.iter().map(|_| draw(column.draw, rng)))
    }

    fn woven(&self, column: &Column, hits: &[Hit], rng: &mut SplitMix) -> ArrayRef {
        let number = |value: &dyn Fn(&Hit) -> i64| numbers(column.kind, hits.iter().map(value));
        match column.name {
            "watchid" => number(&|h| h.watch),
            "eventtime" | "clienteventtime" | "localeventtime" => number(&|h| h.second),
            "eventdate" => number(&|h| h.second / DAY),
            "counterid" => number(&|h| i64::from(h.counter)),
            "clientip" | "remoteip" => number(&|h| i64::from(h.ip)),
            "regionid" => number(&|h| 1 + (mix(h.user) % 5000).min(mix(h.user ^ 5) % 5000) as i64),
            "userid" => number(&|h| user_id(h.user)),
            "funiqid" => number(&|h| (mix(h.user ^ 0xf) >> 1) as i64),
            "os" => number(&|h| (mix(h.user ^ 2) % 60) as i64),
            "useragent" => number(&|h| (mix(h.user ^ 3) % 80) as i64),
            "ismobile" => number(&|h| i64::from(h.phone > 0)),
            "mobilephone" => number(&|h| h.phone as i64 * 3),
            "searchengineid" => number(&|h| if h.phrase > 0 { [2, 2, 3, 13][h.phrase as usize % 4] } else { 0 }),
            "advengineid" => numbers(column.kind, hits.iter().map(|_| draw(Draw::Rarely(6, 60), rng))),
            "refererhash" => number(&|h| referer_hash(h)),
            "urlhash" => number(&|h| url_hash(h)),
            "title" => text(hits, |h, to| words::title(page_id(h), to)),
            "url" => text(hits, |h, to| words::url(h.host, page_id(h), to)),
            "referer" => text(hits, |h, to| {
                if let Some(page) = h.referer {
                    words::url(referer_host(page), page, to);
                }
            }),
            "searchphrase" => text(hits, |h, to| {
                if h.phrase > 0 {
                    words::phrase(h.phrase, 4, to);
                }
            }),
            "mobilephonemodel" => text(hits, |h, to| to.push_str(if h.phone > 0 { PHONES[h.phone - 1] } else { "" })),
            other => unreachable!("column {other} is marked as woven and has no values"),
        }
    }
}

fn user_id(user: u64) -> i64 {
    if user == 0 { KNOWN_USER } else { (mix(user) >> 1) as i64 }
}

/// A page among those of all counters.
fn page_id(hit: &Hit) -> u64 {
    (hit.counter as u64) << 24 | hit.page
}

/// A fifth of the referers are search engines.
fn referer_host(page: u64) -> u64 {
    if page.is_multiple_of(5) { page / 5 % 4 } else { 4 + mix(page) % 3000 }
}

fn url_hash(hit: &Hit) -> i64 {
    if hit.page == 0 { KNOWN_URL_HASH } else { mix(page_id(hit) ^ (hit.host << 50)) as i64 }
}

fn referer_hash(hit: &Hit) -> i64 {
    match hit.referer {
        None => 0,
        Some(page) if page < 20 => KNOWN_REFERER_HASH,
        Some(page) => mix(page ^ 0x7e) as i64,
    }
}

fn draw(how: Draw, rng: &mut SplitMix) -> i64 {
    match how {
        Draw::Between(low, high) => rng.between(low, high),
        Draw::Flag(per_mille) => i64::from(rng.chance(per_mille)),
        Draw::Rarely(per_mille, most) => {
            if rng.chance(per_mille) {
                rng.between(1, most)
            } else {
                0
            }
        }
        Draw::OneNumber(choices) => choices[rng.below(choices.len() as u64) as usize],
        Draw::Blank | Draw::Woven | Draw::OneOf(_) => 0,
    }
}

fn numbers(kind: Kind, values: impl Iterator<Item = i64>) -> ArrayRef {
    match kind {
        Kind::Short => Arc::new(Int16Array::from_iter_values(values.map(|v| v as i16))),
        Kind::Int => Arc::new(Int32Array::from_iter_values(values.map(|v| v as i32))),
        Kind::Date => Arc::new(Date32Array::from_iter_values(values.map(|v| v as i32))),
        Kind::Timestamp => Arc::new(TimestampMicrosecondArray::from_iter_values(values.map(|v| v * 1_000_000))),
        Kind::Long | Kind::Text => Arc::new(Int64Array::from_iter_values(values)),
    }
}

fn text(hits: &[Hit], write: impl Fn(&Hit, &mut String)) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(hits.len(), hits.len() * 48);
    let mut value = String::with_capacity(256);
    for hit in hits {
        value.clear();
        write(hit, &mut value);
        builder.append_value(&value);
    }
    Arc::new(builder.finish())
}
