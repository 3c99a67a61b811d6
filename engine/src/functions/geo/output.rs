//! Shapes as texts, bytes and geohashes.

use super::Shape;
use crate::{
    functions::row::{
        Kind::{Float, Int, Shape as Geometric, Text},
        function, outside,
    },
    types::{geometry, variant},
};
use datafusion::{
    arrow::{
        array::{ArrayRef, Float64Array, LargeBinaryBuilder, StructArray},
        datatypes::{DataType, Field, Fields},
    },
    common::{Result, exec_datafusion_err, exec_err},
    logical_expr::ScalarUDF,
};
use geo::{Centroid, Coord};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        function(
            &["st_astext", "st_aswkt"],
            &[Geometric],
            "st_astext(shape)",
            "The shape in WKT.",
            "st_astext('POINT(1 2)')",
        )
        .text(|row, out| {
            out.push_str(&geometry::format_wkt(row.bytes(0)));
            Ok(())
        }),
        function(
            &["st_asewkt"],
            &[Geometric],
            "st_asewkt(shape)",
            "The shape in EWKT.",
            "st_asewkt('SRID=4326;POINT(1 2)')",
        )
        .text(|row, out| {
            out.push_str(&geometry::format_ewkt(row.bytes(0)));
            Ok(())
        }),
        function(
            &["st_asbinary", "st_aswkb"],
            &[Geometric],
            "st_asbinary(shape)",
            "The shape in WKB.",
            "st_asbinary('POINT(1 2)')",
        )
        .bytes(|row| Ok(geometry::to_wkb(row.bytes(0)))),
        function(
            &["st_asewkb"],
            &[Geometric],
            "st_asewkb(shape)",
            "The shape in EWKB.",
            "st_asewkb('SRID=4326;POINT(1 2)')",
        )
        .bytes(|row| Ok(row.bytes(0).to_vec())),
        function(
            &["st_asgeojson"],
            &[Geometric],
            "st_asgeojson(shape)",
            "The shape in GeoJSON, as VARIANT.",
            "st_asgeojson('POINT(1 2)')",
        )
        .whole(
            |_, _| Ok(DataType::LargeBinary),
            |rows, _| {
                let mut values = LargeBinaryBuilder::new();
                for row in rows.rows() {
                    if row.any_null() {
                        values.append_null();
                        continue;
                    }
                    let json = geometry::format_geojson(row.bytes(0));
                    values.append_value(variant::from_text(&json).map_err(outside)?);
                }
                Ok(Arc::new(values.finish()) as ArrayRef)
            },
        ),
        function(
            &["st_geohash"],
            &[Geometric, Int],
            "st_geohash(shape[, length])",
            "The geohash of a point, or of the middle of a shape.",
            "st_geohash('POINT(-122.3061 37.554162)', 5)",
        )
        .optional(1)
        .text(|row, out| {
            let shape = Shape::of(row, 0)?;
            let middle = shape.geometry.centroid();
            let Some(middle) = middle else {
                return exec_err!("st_geohash: an empty shape has no geohash");
            };
            out.push_str(&encoded(middle.0, row.int_or(1, 12))?);
            Ok(())
        }),
        function(
            &["geohash_encode"],
            &[Float, Float, Int],
            "geohash_encode(longitude, latitude[, length])",
            "The geohash of a place.",
            "geohash_encode(-5.60302734375, 42.593994140625)",
        )
        .optional(1)
        .text(|row, out| {
            out.push_str(&encoded(Coord { x: row.float(0), y: row.float(1) }, row.int_or(2, 12))?);
            Ok(())
        }),
        function(
            &["geohash_decode"],
            &[Text],
            "geohash_decode(text)",
            "Longitude and latitude of the middle of a geohash.",
            "geohash_decode('ezs42')",
        )
        .whole(
            |_, _| Ok(DataType::Struct(pair())),
            |rows, _| {
                let (mut longitudes, mut latitudes, mut present) = (Vec::new(), Vec::new(), Vec::new());
                for row in rows.rows() {
                    let place = match row.any_null() {
                        true => None,
                        false => Some(decoded(row.text(0))?),
                    };
                    present.push(place.is_some());
                    let place = place.unwrap_or_default();
                    longitudes.push(place.x);
                    latitudes.push(place.y);
                }
                let columns: Vec<ArrayRef> =
                    vec![Arc::new(Float64Array::from(longitudes)), Arc::new(Float64Array::from(latitudes))];
                Ok(Arc::new(StructArray::new(pair(), columns, Some(present.into()))) as ArrayRef)
            },
        ),
    ]
}

fn pair() -> Fields {
    Fields::from(vec![Field::new("1", DataType::Float64, false), Field::new("2", DataType::Float64, false)])
}

fn encoded(place: Coord<f64>, length: i64) -> Result<String> {
    let length = usize::try_from(length).ok().filter(|n| (1..=12).contains(n));
    let Some(length) = length else {
        return exec_err!("a geohash has 1 to 12 characters");
    };
    geohash::encode(place, length).map_err(|e| exec_datafusion_err!("no geohash of {}, {}: {e}", place.x, place.y))
}

fn decoded(text: &str) -> Result<Coord<f64>> {
    match geohash::decode(text) {
        Ok((place, _, _)) => Ok(place),
        Err(error) => exec_err!("`{text}` is not a geohash: {error}"),
    }
}
