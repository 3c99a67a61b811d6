//! Distances between vectors. Of VECTOR they are computed and answered with 32 bits, of other arrays of numbers with 64.

use super::row::{Kind::Any, Rows, function};
use crate::types::Special;
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, Float32Array, Float64Array},
        compute::{CastOptions, cast_with_options},
        datatypes::{DataType, Field, FieldRef, Float64Type},
    },
    common::{Result, exec_err, plan_err},
    logical_expr::ScalarUDF,
};
use std::sync::Arc;

/// The measures for one width of numbers.
macro_rules! measures {
    ($module:ident, $number:ty) => {
        mod $module {
            fn dot(a: &[$number], b: &[$number]) -> $number {
                a.iter().zip(b).map(|(x, y)| x * y).sum()
            }

            pub fn cosine(a: &[$number], b: &[$number]) -> $number {
                1.0 - dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())
            }

            pub fn manhattan(a: &[$number], b: &[$number]) -> $number {
                a.iter().zip(b).map(|(x, y)| (x - y).abs()).sum()
            }

            pub fn euclid(a: &[$number], b: &[$number]) -> $number {
                a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<$number>().sqrt()
            }

            pub fn product(a: &[$number], b: &[$number]) -> $number {
                dot(a, b)
            }

            pub fn norm(a: &[$number]) -> $number {
                dot(a, a).sqrt()
            }
        }
    };
}

measures!(single, f32);
measures!(double, f64);

type Single = fn(&[f32], &[f32]) -> f32;
type Double = fn(&[f64], &[f64]) -> f64;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let list: [(&'static str, Single, Double, &str); 4] = [
        ("cosine_distance", single::cosine, double::cosine, "1 minus the cosine of the angle between two vectors."),
        ("l1_distance", single::manhattan, double::manhattan, "The sum of the differences of all coordinates."),
        ("l2_distance", single::euclid, double::euclid, "The length of the straight line between two vectors."),
        ("inner_product", single::product, double::product, "The sum of the products of all coordinates."),
    ];
    let mut functions: Vec<Arc<ScalarUDF>> = list
        .into_iter()
        .map(|(name, single, double, words)| {
            let (syntax, example) = (format!("{name}(a, b)"), format!("{name}([1, 2], [3, 4])"));
            function(&[name], &[Any, Any], &syntax, words, &example).whole(
                move |fields, _| result_type(name, fields),
                move |rows, result| distances(name, rows, result, single, double),
            )
        })
        .collect();
    functions.push(
        function(
            &["vector_dims"],
            &[Any],
            "vector_dims(vector)",
            "How many coordinates a vector has.",
            "vector_dims([1, 2]::VECTOR(2))",
        )
        .whole(
            |fields, _| result_type("vector_dims", fields).map(|_| DataType::Int32),
            |rows, _| {
                let lists = lists(&rows.array(0)?)?;
                let lengths = lists.as_list::<i32>().iter().map(|l| l.map(|l| l.len() as i32));
                Ok(Arc::new(lengths.collect::<datafusion::arrow::array::Int32Array>()) as ArrayRef)
            },
        ),
    );
    functions.push(
        function(
            &["vector_norm"],
            &[Any],
            "vector_norm(vector)",
            "The length of a vector.",
            "vector_norm([3, 4]::VECTOR(2))",
        )
        .whole(
            |fields, _| result_type("vector_norm", fields),
            |rows, result| {
                let lists = lists(&rows.array(0)?)?;
                let lists = lists.as_list::<i32>();
                if *result == DataType::Float32 {
                    let norms = lists.iter().map(|l| l.map(|l| single::norm(&narrow(&l))));
                    return Ok(Arc::new(norms.collect::<Float32Array>()) as ArrayRef);
                }
                let norms = lists.iter().map(|l| l.map(|l| double::norm(&wide(&l))));
                Ok(Arc::new(norms.collect::<Float64Array>()) as ArrayRef)
            },
        ),
    );
    functions
}

fn result_type(name: &str, fields: &[FieldRef]) -> Result<DataType> {
    let mut result = DataType::Float64;
    for field in fields {
        match field.data_type() {
            given if matches!(Special::of(given), Some(Special::Vector(_))) => result = DataType::Float32,
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
                if item.data_type().is_numeric() || item.data_type().is_null() =>
            {
                if *item.data_type() == DataType::Float32 {
                    result = DataType::Float32;
                }
            }
            DataType::Null => {}
            other => return plan_err!("function `{name}` takes vectors, not {}", crate::plan::sql_type(other)),
        }
    }
    Ok(result)
}

/// Any array of numbers as lists of 64 bits.
fn lists(array: &ArrayRef) -> Result<ArrayRef> {
    let item = Arc::new(Field::new_list_field(DataType::Float64, true));
    let options = CastOptions { safe: false, ..Default::default() };
    Ok(cast_with_options(array, &DataType::List(item), &options)?)
}

fn wide(numbers: &ArrayRef) -> Vec<f64> {
    numbers.as_primitive::<Float64Type>().iter().map(|x| x.unwrap_or(f64::NAN)).collect()
}

fn narrow(numbers: &ArrayRef) -> Vec<f32> {
    wide(numbers).into_iter().map(|x| x as f32).collect()
}

fn distances(name: &str, rows: &Rows, result: &DataType, single: Single, double: Double) -> Result<ArrayRef> {
    let (left, right) = (lists(&rows.array(0)?)?, lists(&rows.array(1)?)?);
    let (left, right) = (left.as_list::<i32>(), right.as_list::<i32>());
    let mut distances = Vec::with_capacity(rows.len());
    for row in 0..rows.len() {
        if left.is_null(row) || right.is_null(row) {
            distances.push(None);
            continue;
        }
        let (a, b) = (left.value(row), right.value(row));
        if a.len() != b.len() {
            return exec_err!("{name}: vectors of {} and {} coordinates have no distance", a.len(), b.len());
        }
        distances.push(Some(match result {
            DataType::Float32 => f64::from(single(&narrow(&a), &narrow(&b))),
            _ => double(&wide(&a), &wide(&b)),
        }));
    }
    if *result == DataType::Float32 {
        let narrow = distances.into_iter().map(|d| d.map(|d| d as f32));
        return Ok(Arc::new(narrow.collect::<Float32Array>()));
    }
    Ok(Arc::new(Float64Array::from(distances)))
}
