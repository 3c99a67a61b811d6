//! Shapes from shapes: middle, hull, bounds, union…, and other coordinate systems.

use super::{Shape, build::srid, ewkb, kind, pair};
use crate::functions::row::{
    Kind::{Float, Int, Shape as Geometric},
    Row, function,
};
use datafusion::{
    common::{Result, exec_err},
    logical_expr::ScalarUDF,
};
use geo::{BooleanOps, BoundingRect, Buffer, Centroid, ConvexHull, Coord, Geometry, MapCoords, MultiPolygon, Simplify};
use std::{
    f64::consts::{FRAC_PI_2, FRAC_PI_4},
    sync::Arc,
};

/// Half the axis of the globe that web maps are drawn of, metres.
const RADIUS: f64 = 6_378_137.0;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let a = [Geometric];
    let mut list = vec![
        function(
            &["st_centroid"],
            &a,
            "st_centroid(shape)",
            "The centre of mass; NULL of an empty shape.",
            "st_centroid('LINESTRING(0 0,2 2)')",
        )
        .shape_or_null(|row| of_one(row, |g| Ok(g.centroid().map(Into::into)))),
        function(
            &["st_envelope"],
            &a,
            "st_envelope(shape)",
            "The box around a shape.",
            "st_envelope('LINESTRING(0 0,2 2)')",
        )
        .shape_or_null(|row| of_one(row, |g| Ok(g.bounding_rect().map(|r| r.to_polygon().into())))),
        function(
            &["st_convexhull"],
            &a,
            "st_convexhull(shape)",
            "The least polygon without dents around a shape.",
            "st_convexhull('MULTIPOINT(0 0,1 0,0 1)')",
        )
        .shape_or_null(|row| of_one(row, |g| Ok(Some(g.convex_hull().into())))),
        function(
            &["st_simplify"],
            &[Geometric, Float],
            "st_simplify(shape, tolerance)",
            "Lines and polygons without points that change them by less than the tolerance.",
            "st_simplify('LINESTRING(0 0,1 0.1,2 0)', 0.5)",
        )
        .shape_or_null(|row| {
            let tolerance = row.float(1);
            of_one(row, |g| {
                Ok(Some(match g {
                    Geometry::LineString(line) => line.simplify(tolerance).into(),
                    Geometry::MultiLineString(lines) => lines.simplify(tolerance).into(),
                    Geometry::Polygon(polygon) => polygon.simplify(tolerance).into(),
                    Geometry::MultiPolygon(polygons) => polygons.simplify(tolerance).into(),
                    other => other.clone(),
                }))
            })
        }),
        function(
            &["st_buffer"],
            &[Geometric, Float],
            "st_buffer(shape, distance)",
            "The area at most so far from a shape.",
            "st_buffer('POINT(0 0)', 1)",
        )
        .shape_or_null(|row| of_one(row, |g| Ok(Some(g.buffer(row.float(1)).into())))),
        function(
            &["st_setsrid"],
            &[Geometric, Int],
            "st_setsrid(shape, srid)",
            "The same coordinates, said to be in another coordinate system.",
            "st_setsrid('POINT(13 51)', 4326)",
        )
        .shape_or_null(|row| Shape { srid: srid(row.int(1))?, ..Shape::of(row, 0)? }.to_ewkb().map(Some)),
        function(
            &["st_transform"],
            &[Geometric, Int, Int],
            "st_transform(shape, [from, ]to)",
            "The same place in another coordinate system. Known are 4326 (degrees) and 3857 (web maps).",
            "st_transform(st_geomfromwkt('POINT(4.5 52.1)', 4326), 3857)",
        )
        .optional(1)
        .shape_or_null(|row| transform(row).map(Some)),
    ];
    type Both = fn(&MultiPolygon<f64>, &MultiPolygon<f64>) -> MultiPolygon<f64>;
    let both: [(&'static str, Both, &str); 4] = [
        ("st_union", |a, b| a.union(b), "The area that one of two polygons has."),
        ("st_intersection", |a, b| a.intersection(b), "The area that two polygons have in common."),
        ("st_difference", |a, b| a.difference(b), "The area of the first polygon that the second has not."),
        ("st_symdifference", |a, b| a.xor(b), "The area that only one of two polygons has."),
    ];
    for (name, f, words) in both {
        let (syntax, example) =
            (format!("{name}(a, b)"), format!("{name}('POLYGON((0 0,1 0,1 1,0 0))', 'POLYGON((0 0,1 0,0 1,0 0))')"));
        list.push(function(&[name], &[Geometric, Geometric], &syntax, words, &example).shape_or_null(move |row| {
            let (left, right) = pair(row, name)?;
            let srid = left.srid;
            let mut area = f(&polygons(left.geometry, name)?, &polygons(right.geometry, name)?);
            let area: Geometry<f64> = if area.0.len() == 1 { area.0.remove(0).into() } else { area.into() };
            ewkb(&area, srid).map(Some)
        }));
    }
    list
}

fn of_one(row: &Row, f: impl Fn(&Geometry<f64>) -> Result<Option<Geometry<f64>>>) -> Result<Option<Vec<u8>>> {
    let shape = Shape::of(row, 0)?;
    f(&shape.geometry)?.map(|geometry| ewkb(&geometry, shape.srid)).transpose()
}

fn polygons(geometry: Geometry<f64>, function: &str) -> Result<MultiPolygon<f64>> {
    match geometry {
        Geometry::Polygon(polygon) => Ok(polygon.into()),
        Geometry::MultiPolygon(polygons) => Ok(polygons),
        other => exec_err!("{function} is there for polygons, not for a {}", kind(&other)),
    }
}

fn transform(row: &Row) -> Result<Vec<u8>> {
    let shape = Shape::of(row, 0)?;
    let (from, to) = match row.has(2) {
        true => (srid(row.int(1))?, srid(row.int(2))?),
        false => (shape.srid, srid(row.int(1))?),
    };
    let convert: fn(Coord<f64>) -> Coord<f64> = match (from, to) {
        (from, to) if from == to => |c| c,
        (4326, 3857) => |c| {
            let y = (FRAC_PI_4 + c.y.to_radians() / 2.0).tan().ln() * RADIUS;
            Coord { x: micro(c.x.to_radians() * RADIUS), y: micro(y) }
        },
        (3857, 4326) => |c| {
            let y = 2.0 * (c.y / RADIUS).exp().atan() - FRAC_PI_2;
            Coord { x: micro((c.x / RADIUS).to_degrees()), y: micro(y.to_degrees()) }
        },
        _ => return exec_err!("st_transform: from SRID {from} to {to} is not supported, only between 4326 and 3857"),
    };
    ewkb(&shape.geometry.map_coords(convert), to)
}

/// Six digits behind the point.
fn micro(x: f64) -> f64 {
    (x * 1e6).round() / 1e6
}
