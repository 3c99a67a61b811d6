//! The fact table in its two forms. An order's lines are a pure function of the seed and the order's number.

use super::{
    dimensions::{FIRST_DAY, LAST_DAY, Part, Party, date_key},
    *,
};

/// Orders that are made at once, about 8,192 lines.
const ORDERS_PER_BATCH: u64 = 2048;
const PRIORITIES: [&str; 5] = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECI", "5-LOW"];
const SHIP_MODES: [&str; 7] = ["REG AIR", "AIR", "RAIL", "TRUCK", "MAIL", "FOB", "SHIP"];

/// A row of `lineorder`.
#[derive(Debug, Clone)]
struct Line {
    order: i32,
    number: i32,
    customer: i32,
    part: i32,
    supplier: i32,
    date: i32,
    priority: &'static str,
    quantity: i32,
    extended_price: i32,
    order_total: i32,
    discount: i32,
    revenue: i32,
    supply_cost: i32,
    tax: i32,
    commit_date: i32,
    ship_mode: &'static str,
}

fn lines_of(seed: u64, sizes: Sizes, order: u64, to: &mut Vec<Line>) {
    let mut rng = row_rng(seed, ORDER_LANE, order);
    let day = rng.between(FIRST_DAY, LAST_DAY - 151);
    let customer = rng.below(sizes.customers) as i32 + 1;
    let priority = rng.pick(&PRIORITIES);
    let first = to.len();
    for number in 1..=rng.between(1, 7) {
        let part = rng.below(sizes.parts) + 1;
        let (quantity, discount) = (rng.between(1, 50), rng.between(0, 10));
        let price = quantity * Part::price(part) / 100;
        to.push(Line {
            order: order as i32,
            number: number as i32,
            customer,
            part: part as i32,
            supplier: rng.below(sizes.suppliers) as i32 + 1,
            date: date_key(day),
            priority,
            quantity: quantity as i32,
            extended_price: price as i32,
            order_total: 0,
            discount: discount as i32,
            revenue: (price * (100 - discount) / 100) as i32,
            supply_cost: (6 * Part::price(part) / 1000) as i32,
            tax: rng.between(0, 8) as i32,
            commit_date: date_key(day + rng.between(30, 90)),
            ship_mode: rng.pick(&SHIP_MODES),
        });
    }
    let total = to[first..].iter().map(|l| l.revenue).sum();
    to[first..].iter_mut().for_each(|l| l.order_total = total);
}

const STAR: [(&str, DataType); 17] = [
    ("lo_orderkey", DataType::Int32),
    ("lo_linenumber", DataType::Int32),
    ("lo_custkey", DataType::Int32),
    ("lo_partkey", DataType::Int32),
    ("lo_suppkey", DataType::Int32),
    ("lo_orderdate", DataType::Int32),
    ("lo_orderpriority", DataType::Utf8),
    ("lo_shippriority", DataType::Int32),
    ("lo_quantity", DataType::Int32),
    ("lo_extendedprice", DataType::Int32),
    ("lo_ordtotalprice", DataType::Int32),
    ("lo_discount", DataType::Int32),
    ("lo_revenue", DataType::Int32),
    ("lo_supplycost", DataType::Int32),
    ("lo_tax", DataType::Int32),
    ("lo_commitdate", DataType::Int32),
    ("lo_shipmode", DataType::Utf8),
];

fn star_columns(lines: &[Line]) -> Vec<ArrayRef> {
    vec![
        ints(lines.iter().map(|l| l.order)),
        ints(lines.iter().map(|l| l.number)),
        ints(lines.iter().map(|l| l.customer)),
        ints(lines.iter().map(|l| l.part)),
        ints(lines.iter().map(|l| l.supplier)),
        ints(lines.iter().map(|l| l.date)),
        texts(lines.iter().map(|l| l.priority)),
        ints(lines.iter().map(|_| 0)),
        ints(lines.iter().map(|l| l.quantity)),
        ints(lines.iter().map(|l| l.extended_price)),
        ints(lines.iter().map(|l| l.order_total)),
        ints(lines.iter().map(|l| l.discount)),
        ints(lines.iter().map(|l| l.revenue)),
        ints(lines.iter().map(|l| l.supply_cost)),
        ints(lines.iter().map(|l| l.tax)),
        ints(lines.iter().map(|l| l.commit_date)),
        texts(lines.iter().map(|l| l.ship_mode)),
    ]
}

pub(crate) fn lineorder(seed: u64, sizes: Sizes, chunk_rows: usize) -> TableSource {
    orders("lineorder", schema(&STAR), seed, sizes, chunk_rows, |schema, lines| batch(schema, star_columns(lines)))
}

pub(crate) fn lineorder_flat(seed: u64, sizes: Sizes, chunk_rows: usize) -> TableSource {
    let text = |name| (name, DataType::Utf8);
    let mut columns = STAR.to_vec();
    columns.extend(["c_name", "c_address", "c_city", "c_nation", "c_region", "c_phone", "c_mktsegment"].map(text));
    columns.extend(["s_name", "s_address", "s_city", "s_nation", "s_region", "s_phone"].map(text));
    columns.extend(["p_name", "p_mfgr", "p_category", "p_brand", "p_color", "p_type"].map(text));
    columns.extend([("p_size", DataType::Int32), ("p_container", DataType::Utf8)]);
    orders("lineorder_flat", schema(&columns), seed, sizes, chunk_rows, move |schema, lines| {
        batch(schema, flat_columns(seed, lines))
    })
}

fn flat_columns(seed: u64, lines: &[Line]) -> Vec<ArrayRef> {
    let customers: Vec<Party> = lines.iter().map(|l| Party::customer(seed, l.customer as u64)).collect();
    let suppliers: Vec<Party> = lines.iter().map(|l| Party::supplier(seed, l.supplier as u64)).collect();
    let parts: Vec<Part> = lines.iter().map(|l| Part::of(seed, l.part as u64)).collect();
    let mut columns = star_columns(lines);
    columns.extend(address_columns(&customers));
    columns.push(texts(customers.iter().map(|c| c.segment)));
    columns.extend(address_columns(&suppliers));
    columns.extend([
        texts(parts.iter().map(|p| &p.name)),
        texts(parts.iter().map(|p| &p.mfgr)),
        texts(parts.iter().map(|p| &p.category)),
        texts(parts.iter().map(|p| &p.brand)),
        texts(parts.iter().map(|p| p.color)),
        texts(parts.iter().map(|p| &p.kind)),
        ints(parts.iter().map(|p| p.size)),
        texts(parts.iter().map(|p| &p.container)),
    ]);
    columns
}

fn address_columns(parties: &[Party]) -> [ArrayRef; 6] {
    [
        texts(parties.iter().map(|p| &p.name)),
        texts(parties.iter().map(|p| &p.address)),
        texts(parties.iter().map(|p| &p.city)),
        texts(parties.iter().map(|p| p.nation)),
        texts(parties.iter().map(|p| p.region)),
        texts(parties.iter().map(|p| &p.phone)),
    ]
}

fn orders(
    name: &'static str,
    schema: SchemaRef,
    seed: u64,
    sizes: Sizes,
    chunk_rows: usize,
    make: impl Fn(&SchemaRef, &[Line]) -> RecordBatch + Send + Sync + Clone + 'static,
) -> TableSource {
    // Four lines an order; chunks are whole batches, so that their size doesn't change the batches.
    let chunk_orders = (chunk_rows as u64 / 4).div_ceil(ORDERS_PER_BATCH).max(1) * ORDERS_PER_BATCH;
    let of = schema.clone();
    TableSource::new(name, schema, sizes.orders.div_ceil(chunk_orders) as usize, move |chunk| {
        let first = chunk as u64 * chunk_orders;
        let end = (first + chunk_orders).min(sizes.orders);
        let (of, make) = (of.clone(), make.clone());
        Box::new((first..end).step_by(ORDERS_PER_BATCH as usize).map(move |start| {
            let mut lines = Vec::with_capacity(4 * ORDERS_PER_BATCH as usize);
            for order in start..(start + ORDERS_PER_BATCH).min(end) {
                lines_of(seed, sizes, order + 1, &mut lines);
            }
            make(&of, &lines)
        }))
    })
}
