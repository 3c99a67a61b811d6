//! Shapes from numbers, texts, bytes, geohashes, and from other shapes.

use super::{Shape, ewkb, pair, parsed};
use crate::{
    functions::row::{
        Kind::{Any, Bytes, Float, Int, Shape as Geometric, Text},
        Row, function, outside,
    },
    types::{Special, geometry, variant},
};
use datafusion::{
    arrow::{array::AsArray, datatypes::DataType},
    common::{Result, exec_datafusion_err, exec_err},
    logical_expr::ScalarUDF,
};
use geo::{Area, Coord, Geometry, LineString, Point, Polygon, Rect};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut list = vec![
        function(
            &["st_makegeompoint", "st_geom_point", "st_geompoint"],
            &[Float, Float],
            "st_makegeompoint(x, y)",
            "A point in the plane.",
            "st_makegeompoint(7.0, -8.0)",
        )
        .special(Special::Geometry, |row| ewkb(&Point::new(row.float(0), row.float(1)).into(), 0)),
        function(
            &["st_makepoint", "st_point"],
            &[Float, Float],
            "st_makepoint(longitude, latitude)",
            "A point on the globe.",
            "st_makepoint(37.5, 45.5)",
        )
        .special(Special::Geography, |row| {
            let (x, y) = (row.float(0), row.float(1));
            if !(-180.0..=180.0).contains(&x) || !(-90.0..=90.0).contains(&y) {
                return exec_err!("st_makepoint: longitude is -180 to 180, latitude -90 to 90, not {x}, {y}");
            }
            ewkb(&Point::new(x, y).into(), geometry::WGS84)
        }),
        function(
            &["st_makeline", "st_make_line"],
            &[Geometric, Geometric],
            "st_makeline(a, b)",
            "The line through the points of two points, lines or sets of points.",
            "st_makeline('POINT(1 2)', 'POINT(3 4)')",
        )
        .shape_or_null(|row| {
            let (left, right) = pair(row, "st_makeline")?;
            let mut line = points(&left, "st_makeline")?;
            line.extend(points(&right, "st_makeline")?);
            ewkb(&LineString::new(line).into(), left.srid).map(Some)
        }),
        function(
            &["st_makepolygon", "st_polygon"],
            &[Geometric],
            "st_makepolygon(line)",
            "The polygon inside a closed line.",
            "st_makepolygon('LINESTRING(0 0,1 0,1 2,0 0)')",
        )
        .shape_or_null(|row| polygon(row, false).map(Some)),
        function(
            &["st_makepolygonoriented"],
            &[Geometric],
            "st_makepolygonoriented(line)",
            "The polygon inside a closed line that keeps its direction.",
            "st_makepolygonoriented('LINESTRING(0 0,1 0,1 2,0 0)')",
        )
        .shape_or_null(|row| polygon(row, true).map(Some)),
    ];
    let texts: [(&[&'static str], Special); 2] = [
        (
            &[
                "st_geometryfromwkt",
                "st_geomfromwkt",
                "st_geometryfromewkt",
                "st_geomfromewkt",
                "st_geometryfromtext",
                "st_geomfromtext",
            ],
            Special::Geometry,
        ),
        (
            &[
                "st_geographyfromwkt",
                "st_geogfromwkt",
                "st_geographyfromewkt",
                "st_geogfromewkt",
                "st_geographyfromtext",
                "st_geogfromtext",
            ],
            Special::Geography,
        ),
    ];
    for (names, special) in texts {
        let (syntax, example) = (format!("{}(text[, srid])", names[0]), format!("{}('POINT(1 2)')", names[0]));
        list.push(
            function(names, &[Text, Int], &syntax, "The shape of a text in WKT or EWKT.", &example)
                .optional(1)
                .special(special, move |row| in_system(parsed(row.text(0), special)?, row, special)),
        );
    }
    let bytes: [(&[&'static str], Special); 2] = [
        (&["st_geometryfromwkb", "st_geomfromwkb", "st_geometryfromewkb", "st_geomfromewkb"], Special::Geometry),
        (&["st_geographyfromwkb", "st_geogfromwkb", "st_geographyfromewkb", "st_geogfromewkb"], Special::Geography),
    ];
    for (names, special) in bytes {
        let (syntax, example) = (
            format!("{}(bytes[, srid])", names[0]),
            format!("{}('0101000000000000000000F03F0000000000000040')", names[0]),
        );
        list.push(
            function(
                names,
                &[Bytes, Int],
                &syntax,
                "The shape of bytes in WKB or EWKB, or of their hexadecimal text.",
                &example,
            )
            .optional(1)
            .special(special, move |row| in_system(from_bytes(row, special)?, row, special)),
        );
    }
    for (name, attempt, special) in [
        ("to_geometry", "try_to_geometry", Special::Geometry),
        ("to_geography", "try_to_geography", Special::Geography),
    ] {
        let words =
            "The shape of a text (WKT, EWKT, GeoJSON, hexadecimal WKB), of bytes (WKB) or of GeoJSON as VARIANT.";
        let (syntax, example) = (format!("{name}(value[, srid])"), format!("{name}('POINT(1 2)')"));
        list.push(
            function(&[name], &[Any, Int], &syntax, words, &example)
                .optional(1)
                .special(special, move |row| in_system(from_any(row, special)?, row, special)),
        );
        list.push(
            function(
                &[attempt],
                &[Any, Int],
                &syntax.replace(name, attempt),
                &format!("{words} NULL of others."),
                &example,
            )
            .optional(1)
            .special_or_null(special, move |row| {
                Ok(from_any(row, special).and_then(|bytes| in_system(bytes, row, special)).ok())
            }),
        );
    }
    let hashes: [(&[&'static str], Special, bool); 4] = [
        (&["st_geomfromgeohash", "st_geometryfromgeohash"], Special::Geometry, false),
        (&["st_geompointfromgeohash"], Special::Geometry, true),
        (&["st_geogfromgeohash", "st_geographyfromgeohash"], Special::Geography, false),
        (&["st_geogpointfromgeohash", "st_pointfromgeohash"], Special::Geography, true),
    ];
    for (names, special, is_point) in hashes {
        let words = if is_point { "The middle of a geohash." } else { "The box that a geohash stands for." };
        let (syntax, example) = (format!("{}(text)", names[0]), format!("{}('9q60y60rhs')", names[0]));
        list.push(function(names, &[Text], &syntax, words, &example).special(special, move |row| {
            let srid = if special == Special::Geography { geometry::WGS84 } else { 0 };
            let found = geohash::decode_bbox(row.text(0));
            let found = found.map_err(|e| exec_datafusion_err!("`{}` is not a geohash: {e}", row.text(0)))?;
            let shape: Geometry<f64> = if is_point { Point::from(found.center()).into() } else { around(found).into() };
            ewkb(&shape, srid)
        }));
    }
    list
}

/// A box as a polygon, from its lower left corner upwards.
fn around(found: Rect<f64>) -> Polygon<f64> {
    let (min, max) = (found.min(), found.max());
    let ring = [(min.x, min.y), (min.x, max.y), (max.x, max.y), (max.x, min.y), (min.x, min.y)];
    Polygon::new(LineString::from(ring.to_vec()), Vec::new())
}

/// The coordinates of points and lines.
fn points(shape: &Shape, function: &str) -> Result<Vec<Coord<f64>>> {
    Ok(match &shape.geometry {
        Geometry::Point(point) => vec![point.0],
        Geometry::MultiPoint(points) => points.iter().map(|p| p.0).collect(),
        Geometry::LineString(line) => line.0.clone(),
        other => return exec_err!("{function} takes points and lines, not a {}", super::kind(other)),
    })
}

fn polygon(row: &Row, oriented: bool) -> Result<Vec<u8>> {
    let shape = Shape::of(row, 0)?;
    let line = shape.line("st_makepolygon")?;
    if line.0.len() < 4 || line.0.first() != line.0.last() {
        return exec_err!("st_makepolygon takes a closed line of at least four points");
    }
    let polygon = Polygon::new(line.clone(), Vec::new());
    if oriented && polygon.signed_area() == 0.0 {
        return exec_err!("st_makepolygonoriented: the line has no direction");
    }
    ewkb(&polygon.into(), shape.srid)
}

/// The shape in the coordinate system that argument 1 says, if it is there.
fn in_system(bytes: Vec<u8>, row: &Row, special: Special) -> Result<Vec<u8>> {
    if !row.has(1) {
        return Ok(bytes);
    }
    let srid = srid(row.int(1))?;
    if special == Special::Geography && srid != geometry::WGS84 {
        return exec_err!("GEOGRAPHY has SRID {}, not {srid}", geometry::WGS84);
    }
    Shape { srid, ..Shape::from_ewkb(&bytes)? }.to_ewkb()
}

pub(super) fn srid(n: i64) -> Result<i32> {
    i32::try_from(n).map_err(|_| exec_datafusion_err!("{n} is not an SRID"))
}

fn from_bytes(row: &Row, special: Special) -> Result<Vec<u8>> {
    match row.is_binary(0) {
        true => geometry::from_wkb(row.bytes(0), special).map_err(outside),
        false => parsed(row.text(0), special),
    }
}

fn from_any(row: &Row, special: Special) -> Result<Vec<u8>> {
    let (array, at) = row.value(0);
    match array.data_type() {
        DataType::Utf8View => parsed(array.as_string_view().value(at), special),
        DataType::Utf8 => parsed(array.as_string::<i32>().value(at), special),
        DataType::LargeUtf8 => parsed(array.as_string::<i64>().value(at), special),
        DataType::Binary => geometry::from_wkb(array.as_binary::<i32>().value(at), special).map_err(outside),
        DataType::BinaryView => geometry::from_wkb(array.as_binary_view().value(at), special).map_err(outside),
        DataType::LargeBinary => parsed(&variant::to_text(array.as_binary::<i64>().value(at)), special),
        given if matches!(Special::of(given), Some(Special::Geometry | Special::Geography)) => {
            match crate::types::to_bytes(array) {
                Some(bytes) => geometry::from_wkb(bytes.value(at), special).map_err(outside),
                None => exec_err!("no bytes of a shape"),
            }
        }
        other => exec_err!("{} is not the notation of a shape", crate::plan::sql_type(other)),
    }
}
