//! Places given as plain numbers: distances on a globe, and points inside ellipses and polygons.

use crate::functions::row::{
    Kind::{Any, Float},
    Row, function,
};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, StructArray},
        compute::cast,
        datatypes::{DataType, Float64Type},
    },
    common::{Result, exec_err, plan_err},
    logical_expr::ScalarUDF,
};
use geo::{Contains, Coord, LineString, Point, Polygon};
use std::sync::Arc;

/// The globe of `haversine`, kilometres.
const RADIUS_KM: f64 = 6_371.008_8;
/// The sphere of `great_circle_distance`, metres.
const RADIUS_M: f64 = 6_371_000.0;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let four = [Float, Float, Float, Float];
    vec![
        function(
            &["haversine"],
            &four,
            "haversine(lat1, lon1, lat2, lon2)",
            "The distance of two places in kilometres.",
            "haversine(40.7127, -74.0059, 34.05, -118.25)",
        )
        .float(|row| Ok(super::rounded(angle(row.float(1), row.float(0), row.float(3), row.float(2)) * RADIUS_KM))),
        function(
            &["great_circle_angle"],
            &four,
            "great_circle_angle(lon1, lat1, lon2, lat2)",
            "The angle between two places as seen from the middle of the globe, in degrees.",
            "great_circle_angle(0, 0, 45, 0)",
        )
        .float(|row| Ok(super::rounded(of_row(row).to_degrees()))),
        function(
            &["great_circle_distance"],
            &four,
            "great_circle_distance(lon1, lat1, lon2, lat2)",
            "The distance of two places on a sphere, in metres.",
            "great_circle_distance(0, 0, 45, 0)",
        )
        .float(|row| Ok(super::rounded(of_row(row) * RADIUS_M))),
        function(
            &["geo_distance"],
            &four,
            "geo_distance(lon1, lat1, lon2, lat2)",
            "The distance of two places on the globe of WGS 84, in metres.",
            "geo_distance(0, 0, 45, 0)",
        )
        .float(|row| {
            use geo::{Distance, Geodesic};
            let (from, to) = (Point::new(row.float(0), row.float(1)), Point::new(row.float(2), row.float(3)));
            Ok(super::rounded(Geodesic.distance(from, to)))
        }),
        function(
            &["point_in_ellipses"],
            &[Float, Float, Float, Float, Float, Float],
            "point_in_ellipses(x, y, x1, y1, a1, b1, ...)",
            "1 when the point is in one of the ellipses, each given by its middle and its half axes; else 0.",
            "point_in_ellipses(10, 10, 10, 9.1, 1, 0.9999)",
        )
        .repeats()
        .uint(DataType::UInt8, |row| {
            if (row.arguments() - 2) % 4 != 0 {
                return exec_err!("point_in_ellipses takes a point and four numbers for each ellipse");
            }
            let inside = |at: usize| {
                let x = (row.float(0) - row.float(at)) / row.float(at + 2);
                let y = (row.float(1) - row.float(at + 1)) / row.float(at + 3);
                x * x + y * y <= 1.0
            };
            Ok(u64::from((2..row.arguments()).step_by(4).any(inside)))
        }),
        function(
            &["point_in_polygon"],
            &[Any, Any],
            "point_in_polygon((x, y), [(x, y), ...], ...)",
            "1 when the point is in the polygon, whose further rings are holes; else 0.",
            "point_in_polygon((3., 3.), [(6, 0), (8, 4), (5, 8), (0, 2)])",
        )
        .repeats()
        .whole(
            |fields, _| {
                let wrong =
                    |at: usize| plan_err!("argument {} of function `point_in_polygon` is no pair of numbers", at + 1);
                for (at, field) in fields.iter().enumerate() {
                    let mut given = field.data_type();
                    while let DataType::List(item) | DataType::LargeList(item) = given {
                        given = item.data_type();
                    }
                    match given {
                        DataType::Struct(fields) if fields.len() == 2 => {}
                        DataType::Null => {}
                        _ => return wrong(at),
                    }
                }
                Ok(DataType::UInt8)
            },
            |rows, _| {
                let mut found = Vec::with_capacity(rows.len());
                for row in rows.rows() {
                    found.push(if row.any_null() { None } else { Some(u8::from(in_polygon(&row)?)) });
                }
                Ok(Arc::new(datafusion::arrow::array::UInt8Array::from(found)) as ArrayRef)
            },
        ),
    ]
}

fn of_row(row: &Row) -> f64 {
    angle(row.float(0), row.float(1), row.float(2), row.float(3))
}

/// The central angle between two places in degrees, in radians.
fn angle(lon1: f64, lat1: f64, lon2: f64, lat2: f64) -> f64 {
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let h = half(lat2 - lat1) + lat1.to_radians().cos() * lat2.to_radians().cos() * half(lon2 - lon1);
    2.0 * h.clamp(0.0, 1.0).sqrt().asin()
}

fn in_polygon(row: &Row) -> Result<bool> {
    let (array, at) = row.value(0);
    let point = coordinates(array.as_struct(), at..at + 1)?;
    let Some(point) = point.first() else {
        return Ok(false);
    };
    let mut rings = Vec::new();
    for argument in 1..row.arguments() {
        let (array, at) = row.value(argument);
        let Some(list) = array.as_list_opt::<i32>() else {
            return exec_err!("point_in_polygon: argument {} is not an array", argument + 1);
        };
        let items = list.value(at);
        match items.as_list_opt::<i32>() {
            Some(inner) => {
                for ring in inner.iter().flatten() {
                    rings.push(coordinates(ring.as_struct(), 0..ring.len())?);
                }
            }
            None => rings.push(coordinates(items.as_struct(), 0..items.len())?),
        }
    }
    let mut rings = rings.into_iter().map(LineString::new);
    let Some(outer) = rings.next() else {
        return Ok(false);
    };
    Ok(Polygon::new(outer, rings.collect()).contains(&Point::from(*point)))
}

fn coordinates(pairs: &StructArray, rows: std::ops::Range<usize>) -> Result<Vec<Coord<f64>>> {
    let number = |at: usize| cast(pairs.column(at), &DataType::Float64);
    let (x, y) = (number(0)?, number(1)?);
    let (x, y) = (x.as_primitive::<Float64Type>(), y.as_primitive::<Float64Type>());
    Ok(rows.map(|row| Coord { x: x.value(row), y: y.value(row) }).collect())
}
