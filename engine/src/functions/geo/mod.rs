//! Functions of shapes. GEOMETRY lies in a plane, GEOGRAPHY on the globe (WGS 84): its distances are metres.
//!
//! Shapes come and go as EWKB (`types/geometry`); here they are those of the library `geo`. Coordinates other than x and
//! y are dropped by what makes new shapes. H3 is not there: COMPAT.md says why.

mod accessor;
mod build;
mod globe;
mod measure;
mod operation;
mod output;
mod relation;

use crate::{
    functions::row::{Row, outside},
    types::{Special, geometry},
};
use datafusion::{
    common::{Result, exec_datafusion_err, exec_err},
    logical_expr::ScalarUDF,
};
use geo::Geometry;
use geozero::{CoordDimensions, ToGeo, ToWkb, wkb::Ewkb};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut list = build::functions();
    list.extend(output::functions());
    list.extend(accessor::functions());
    list.extend(measure::functions());
    list.extend(relation::functions());
    list.extend(operation::functions());
    list.extend(globe::functions());
    list
}

/// A shape and the coordinate system it says it is in (0: none).
struct Shape {
    geometry: Geometry<f64>,
    srid: i32,
}

impl Shape {
    fn of(row: &Row, argument: usize) -> Result<Self> {
        Self::from_ewkb(row.bytes(argument))
    }

    fn from_ewkb(bytes: &[u8]) -> Result<Self> {
        let srid = geometry::srid(bytes).unwrap_or(0);
        match Ewkb(bytes).to_geo() {
            Ok(geometry) => Ok(Self { geometry, srid }),
            Err(error) => exec_err!("{} bytes are no shape: {error}", bytes.len()),
        }
    }

    fn to_ewkb(&self) -> Result<Vec<u8>> {
        ewkb(&self.geometry, self.srid)
    }

    /// The point this is.
    fn point(&self, function: &str) -> Result<geo::Point<f64>> {
        match self.geometry {
            Geometry::Point(point) => Ok(point),
            _ => exec_err!("{function} takes a POINT, not a {}", kind(&self.geometry)),
        }
    }

    fn line(&self, function: &str) -> Result<&geo::LineString<f64>> {
        match &self.geometry {
            Geometry::LineString(line) => Ok(line),
            _ => exec_err!("{function} takes a LINESTRING, not a {}", kind(&self.geometry)),
        }
    }
}

fn ewkb(geometry: &Geometry<f64>, srid: i32) -> Result<Vec<u8>> {
    let srid = Some(srid).filter(|srid| *srid != 0);
    geometry.to_ewkb(CoordDimensions::xy(), srid).map_err(|error| exec_datafusion_err!("no EWKB of a shape: {error}"))
}

/// Two shapes of one coordinate system.
fn pair(row: &Row, function: &str) -> Result<(Shape, Shape)> {
    let (left, right) = (Shape::of(row, 0)?, Shape::of(row, 1)?);
    if left.srid != right.srid {
        return exec_err!("{function}: shapes with SRID {} and {} do not go together", left.srid, right.srid);
    }
    Ok((left, right))
}

fn is_geography(row: &Row, argument: usize) -> bool {
    Special::of(row.data_type(argument)) == Some(Special::Geography)
}

/// Nine digits behind the point: as exact as coordinates are given.
fn rounded(x: f64) -> f64 {
    (x * 1e9).round() / 1e9
}

fn kind(geometry: &Geometry<f64>) -> &'static str {
    match geometry {
        Geometry::Point(_) => "POINT",
        Geometry::Line(_) | Geometry::LineString(_) => "LINESTRING",
        Geometry::Polygon(_) | Geometry::Rect(_) | Geometry::Triangle(_) => "POLYGON",
        Geometry::MultiPoint(_) => "MULTIPOINT",
        Geometry::MultiLineString(_) => "MULTILINESTRING",
        Geometry::MultiPolygon(_) => "MULTIPOLYGON",
        Geometry::GeometryCollection(_) => "GEOMETRYCOLLECTION",
    }
}

/// EWKB from a text in any notation of shapes.
fn parsed(text: &str, special: Special) -> Result<Vec<u8>> {
    geometry::parse(text, special).map_err(outside)
}
