//! Functions of numbers: of floating point here, rounding in `rounding`, whole numbers and their bits in `whole`.
//!
//! Operators as functions (`plus`, `mod`…) are notations of the operators: see `plan/meaning`.

mod rounding;
mod whole;

use crate::functions::row::{
    Kind::{Float, Int},
    function,
};
use datafusion::{arrow::datatypes::DataType, logical_expr::ScalarUDF};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{f64::consts::PI, sync::Arc};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut list = whole::functions();
    list.extend(rounding::functions());
    list.extend(of_one());
    list.extend([
        function(
            &["atan2"],
            &[Float, Float],
            "atan2(y, x)",
            "The angle of the point (x, y) in radians.",
            "atan2(-2, 2)",
        )
        .float(|row| Ok(row.float(0).atan2(row.float(1)))),
        function(&["pow", "power"], &[Float, Float], "pow(base, exponent)", "A number to a power.", "pow(2, -2)")
            .float(|row| Ok(row.float(0).powf(row.float(1)))),
        function(
            &["log"],
            &[Float, Float],
            "log([base, ]x)",
            "The logarithm: the natural one, or to a base.",
            "log(2, 1024)",
        )
        .optional(1)
        .float(|row| Ok(if row.has(1) { row.float(1).log(row.float(0)) } else { row.float(0).ln() })),
        function(&["pi"], &[], "pi()", "The number π.", "pi()").float(|_| Ok(PI)),
        function(&["sign"], &[Float], "sign(x)", "-1, 0 or 1: the sign of a number.", "sign(-3.5)").int(
            DataType::Int8,
            |row| {
                let x = row.float(0);
                Ok(i64::from(x > 0.0) - i64::from(x < 0.0))
            },
        ),
        function(&["isnan"], &[Float], "isnan(x)", "Whether a number is NaN.", "isnan(0.5)")
            .bool(|row| Ok(row.float(0).is_nan())),
        function(&["isinf"], &[Float], "isinf(x)", "Whether a number is infinite.", "isinf(0.5)")
            .bool(|row| Ok(row.float(0).is_infinite())),
        function(
            &["rand", "random"],
            &[Int],
            "rand([seed])",
            "A number from 0 to below 1: another in every row, or always that of the seed.",
            "rand(7)",
        )
        .optional(1)
        .volatile()
        .float(|row| {
            if row.has(0) {
                return Ok(StdRng::seed_from_u64(row.int(0) as u64).random());
            }
            Ok(rand::rng().random())
        }),
    ]);
    list
}

fn of_one() -> Vec<Arc<ScalarUDF>> {
    type Entry = (&'static str, fn(f64) -> f64, &'static str, &'static str);
    let list: Vec<Entry> = vec![
        ("acos", f64::acos, "The angle in radians with this cosine.", "acos(1)"),
        ("asin", f64::asin, "The angle in radians with this sine.", "asin(0.2)"),
        ("atan", f64::atan, "The angle in radians with this tangent.", "atan(-1)"),
        ("cbrt", f64::cbrt, "The cubic root.", "cbrt(27)"),
        ("cos", f64::cos, "The cosine of an angle in radians.", "cos(0)"),
        ("cot", |x| 1.0 / x.tan(), "The cotangent of an angle in radians.", "cot(12)"),
        ("degrees", f64::to_degrees, "An angle in degrees, from radians.", "degrees(pi())"),
        ("exp", f64::exp, "e to a power.", "exp(2)"),
        ("ln", f64::ln, "The natural logarithm.", "ln(2)"),
        ("log10", f64::log10, "The logarithm to base 10.", "log10(100)"),
        ("log2", f64::log2, "The logarithm to base 2.", "log2(65536)"),
        ("radians", f64::to_radians, "An angle in radians, from degrees.", "radians(90)"),
        ("sin", f64::sin, "The sine of an angle in radians.", "sin(90)"),
        ("sqrt", f64::sqrt, "The square root; NaN of negative numbers.", "sqrt(4)"),
        ("tan", f64::tan, "The tangent of an angle in radians.", "tan(90)"),
    ];
    list.into_iter()
        .map(|(name, f, description, example)| {
            let syntax = format!("{name}(x)");
            function(&[name], &[Float], &syntax, description, example).float(move |row| Ok(f(row.float(0))))
        })
        .collect()
}
