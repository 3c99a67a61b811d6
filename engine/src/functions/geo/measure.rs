//! Lengths, areas, distances and directions: in the units of the plane, or in metres on the globe.

use super::{Shape, is_geography, pair, rounded};
use crate::functions::row::{
    Kind::{Float, Shape as Geometric},
    Row, function,
};
use datafusion::{common::Result, common::exec_err, logical_expr::ScalarUDF};
use geo::{
    Area, Distance, Euclidean, GeodesicArea, Geometry, HausdorffDistance, Haversine, Length, LineString, Polygon,
};
use std::{f64::consts::TAU, sync::Arc};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let (a, ab) = ([Geometric], [Geometric, Geometric]);
    vec![
        function(
            &["st_area"],
            &a,
            "st_area(shape)",
            "The area of polygons; 0 of other shapes.",
            "st_area('POLYGON((0 0,1 0,1 1,0 1,0 0))')",
        )
        .float(|row| {
            let shape = Shape::of(row, 0)?;
            let area = if is_geography(row, 0) {
                shape.geometry.geodesic_area_unsigned()
            } else {
                shape.geometry.unsigned_area()
            };
            Ok(rounded(area))
        }),
        function(
            &["st_length"],
            &a,
            "st_length(shape)",
            "The length of lines; 0 of other shapes.",
            "st_length('LINESTRING(0 0,1 1)')",
        )
        .float(|row| Ok(rounded(length(&Shape::of(row, 0)?.geometry, is_geography(row, 0))))),
        function(
            &["st_perimeter"],
            &a,
            "st_perimeter(shape)",
            "The length of the borders of polygons; 0 of other shapes.",
            "st_perimeter('POLYGON((0 0,1 0,1 1,0 1,0 0))')",
        )
        .float(|row| {
            let globe = is_geography(row, 0);
            let border = |polygon: &Polygon<f64>| {
                let rings = std::iter::once(polygon.exterior()).chain(polygon.interiors());
                rings.map(|ring| line_length(ring, globe)).sum::<f64>()
            };
            Ok(rounded(match &Shape::of(row, 0)?.geometry {
                Geometry::Polygon(polygon) => border(polygon),
                Geometry::MultiPolygon(polygons) => polygons.iter().map(border).sum(),
                _ => 0.0,
            }))
        }),
        function(
            &["st_distance"],
            &ab,
            "st_distance(a, b)",
            "The least distance between two shapes; on the globe between points.",
            "st_distance('POINT(0 0)', 'POINT(1 1)')",
        )
        .float(|row| distance(row, "st_distance").map(rounded)),
        function(
            &["st_dwithin"],
            &[Geometric, Geometric, Float],
            "st_dwithin(a, b, distance)",
            "Whether two shapes are at most so far apart.",
            "st_dwithin('POINT(0 0)', 'POINT(1 1)', 1.5)",
        )
        .bool(|row| Ok(distance(row, "st_dwithin")? <= row.float(2))),
        function(
            &["st_azimuth"],
            &ab,
            "st_azimuth(a, b)",
            "The direction from one point to another, clockwise from north in radians; NULL when they are the same.",
            "st_azimuth('POINT(0 0)', 'POINT(1 0)')",
        )
        .float_or_null(|row| {
            let (left, right) = pair(row, "st_azimuth")?;
            let (from, to) = (left.point("st_azimuth")?, right.point("st_azimuth")?);
            let (x, y) = (to.x() - from.x(), to.y() - from.y());
            Ok((x != 0.0 || y != 0.0).then(|| rounded(x.atan2(y).rem_euclid(TAU))))
        }),
        function(
            &["st_hausdorffdistance"],
            &ab,
            "st_hausdorffdistance(a, b)",
            "How far the points of two shapes are from each other at most.",
            "st_hausdorffdistance('LINESTRING(0 0,2 0)', 'POINT(0 1)')",
        )
        .float(|row| {
            let (left, right) = pair(row, "st_hausdorffdistance")?;
            Ok(rounded(left.geometry.hausdorff_distance(&right.geometry)))
        }),
    ]
}

fn line_length(line: &LineString<f64>, globe: bool) -> f64 {
    if globe { Haversine.length(line) } else { Euclidean.length(line) }
}

fn length(geometry: &Geometry<f64>, globe: bool) -> f64 {
    match geometry {
        Geometry::LineString(line) => line_length(line, globe),
        Geometry::MultiLineString(lines) => lines.iter().map(|line| line_length(line, globe)).sum(),
        Geometry::GeometryCollection(parts) => parts.iter().map(|part| length(part, globe)).sum(),
        _ => 0.0,
    }
}

fn distance(row: &Row, function: &str) -> Result<f64> {
    let (left, right) = pair(row, function)?;
    if !is_geography(row, 0) {
        return Ok(Euclidean.distance(&left.geometry, &right.geometry));
    }
    match (&left.geometry, &right.geometry) {
        (Geometry::Point(from), Geometry::Point(to)) => Ok(Haversine.distance(*from, *to)),
        _ => exec_err!("{function} on the globe is between points"),
    }
}
