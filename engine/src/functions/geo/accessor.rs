//! What a shape is made of: its dimension, its points, its bounds, its coordinate system.

use super::Shape;
use crate::functions::row::{
    Kind::{Int, Shape as Geometric},
    function,
};
use datafusion::{arrow::datatypes::DataType, common::exec_err, logical_expr::ScalarUDF};
use geo::{BoundingRect, CoordsIter, Geometry, HasDimensions, Point, Rect, Validation, dimensions::Dimensions};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let bound = |name: &'static str, words: &str, of: fn(Rect<f64>) -> f64| {
        let (syntax, example) = (format!("{name}(shape)"), format!("{name}('LINESTRING(1 2,3 4)')"));
        function(&[name], &[Geometric], &syntax, words, &example)
            .float_or_null(move |row| Ok(Shape::of(row, 0)?.geometry.bounding_rect().map(of)))
    };
    let coordinate = |name: &'static str, words: &str, of: fn(Point<f64>) -> f64| {
        let (syntax, example) = (format!("{name}(point)"), format!("{name}('POINT(1 2)')"));
        function(&[name], &[Geometric], &syntax, words, &example)
            .float(move |row| Ok(of(Shape::of(row, 0)?.point(name)?)))
    };
    vec![
        function(
            &["st_dimension"],
            &[Geometric],
            "st_dimension(shape)",
            "0 of points, 1 of lines, 2 of areas; NULL of an empty shape.",
            "st_dimension('POINT(1 2)')",
        )
        .int_or_null(DataType::Int32, |row| {
            Ok(match Shape::of(row, 0)?.geometry.dimensions() {
                Dimensions::Empty => None,
                Dimensions::ZeroDimensional => Some(0),
                Dimensions::OneDimensional => Some(1),
                Dimensions::TwoDimensional => Some(2),
            })
        }),
        function(
            &["st_srid"],
            &[Geometric],
            "st_srid(shape)",
            "The number of the coordinate system; 0 for none.",
            "st_srid('SRID=4326;POINT(1 2)')",
        )
        .int(DataType::Int32, |row| Ok(i64::from(Shape::of(row, 0)?.srid))),
        function(
            &["st_geometrytype"],
            &[Geometric],
            "st_geometrytype(shape)",
            "The kind of a shape.",
            "st_geometrytype('POINT(1 2)')",
        )
        .text(|row, out| {
            out.push_str(super::kind(&Shape::of(row, 0)?.geometry));
            Ok(())
        }),
        function(
            &["st_npoints", "st_numpoints"],
            &[Geometric],
            "st_npoints(shape)",
            "How many points a shape has.",
            "st_npoints('LINESTRING(1 2,3 4)')",
        )
        .uint(DataType::UInt32, |row| Ok(Shape::of(row, 0)?.geometry.coords_count() as u64)),
        function(
            &["st_pointn"],
            &[Geometric, Int],
            "st_pointn(line, n)",
            "The n-th point of a line, from the end when negative.",
            "st_pointn('LINESTRING(1 1,2 2)', -1)",
        )
        .shape_or_null(|row| {
            let shape = Shape::of(row, 0)?;
            let line = shape.line("st_pointn")?;
            let (n, count) = (row.int(1), line.0.len());
            let at = match n {
                n if n > 0 => usize::try_from(n - 1).ok(),
                n => usize::try_from(n.unsigned_abs()).ok().and_then(|back| count.checked_sub(back)),
            };
            match at.filter(|_| n != 0).and_then(|at| line.0.get(at)) {
                Some(found) => super::ewkb(&Point::from(*found).into(), shape.srid).map(Some),
                None => exec_err!("st_pointn: a line of {count} points has no point {n}"),
            }
        }),
        end("st_startpoint", "The first point of a line; NULL of other shapes.", |line| line.0.first().copied()),
        end("st_endpoint", "The last point of a line; NULL of other shapes.", |line| line.0.last().copied()),
        coordinate("st_x", "The first coordinate of a point.", |p| p.x()),
        coordinate("st_y", "The second coordinate of a point.", |p| p.y()),
        bound("st_xmin", "The least first coordinate.", |r| r.min().x),
        bound("st_xmax", "The greatest first coordinate.", |r| r.max().x),
        bound("st_ymin", "The least second coordinate.", |r| r.min().y),
        bound("st_ymax", "The greatest second coordinate.", |r| r.max().y),
        function(
            &["st_isempty"],
            &[Geometric],
            "st_isempty(shape)",
            "Whether a shape has no points.",
            "st_isempty('POINT(1 2)')",
        )
        .bool(|row| Ok(Shape::of(row, 0)?.geometry.is_empty())),
        function(
            &["st_isvalid"],
            &[Geometric],
            "st_isvalid(shape)",
            "Whether a shape follows the rules: rings closed and without crossings, holes inside.",
            "st_isvalid('POINT(1 2)')",
        )
        .bool(|row| Ok(Shape::of(row, 0)?.geometry.is_valid())),
        function(
            &["st_isclosed"],
            &[Geometric],
            "st_isclosed(shape)",
            "Whether a line ends where it begins.",
            "st_isclosed('LINESTRING(1 2,3 4)')",
        )
        .bool(|row| {
            Ok(match Shape::of(row, 0)?.geometry {
                Geometry::LineString(line) => line.is_closed(),
                Geometry::MultiLineString(lines) => lines.is_closed(),
                _ => true,
            })
        }),
    ]
}

fn end(name: &'static str, words: &str, of: fn(&geo::LineString<f64>) -> Option<geo::Coord<f64>>) -> Arc<ScalarUDF> {
    let (syntax, example) = (format!("{name}(line)"), format!("{name}('LINESTRING(1 1,2 2)')"));
    function(&[name], &[Geometric], &syntax, words, &example).shape_or_null(move |row| {
        let shape = Shape::of(row, 0)?;
        match &shape.geometry {
            Geometry::LineString(line) => match of(line) {
                Some(point) => super::ewkb(&Point::from(point).into(), shape.srid).map(Some),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    })
}
