//! GEOMETRY and GEOGRAPHY: EWKB within, and WKT, EWKT, GeoJSON, WKB and EWKB (as upper-case hex) without.
//! Functions over shapes are `functions`' business.

use super::{Special, not_a, wkb};
use crate::{Error, Result};
use geozero::{CoordDimensions, GeozeroGeometry, ToJson, ToWkb, ToWkt, geojson::GeoJson, wkb::Ewkb, wkt::Wkt};

/// How deep texts of shapes may nest.
const DEPTH_MAX: usize = 32;
/// The coordinate system of GEOGRAPHY, and of GeoJSON.
pub const WGS84: i32 = 4326;

/// How shapes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GeometryFormat {
    #[default]
    GeoJson,
    Wkt,
    Ewkt,
    Wkb,
    Ewkb,
}

impl GeometryFormat {
    /// By the name that settings have for it, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "GEOJSON" => Self::GeoJson,
            "WKT" => Self::Wkt,
            "EWKT" => Self::Ewkt,
            "WKB" => Self::Wkb,
            "EWKB" => Self::Ewkb,
            _ => return None,
        })
    }
}

/// EWKB of a shape written as WKT, EWKT, GeoJSON, or hex of WKB or EWKB.
pub fn parse(text: &str, special: Special) -> Result<Vec<u8>> {
    let trimmed = text.trim();
    let name = if special == Special::Geography { "GEOGRAPHY" } else { "GEOMETRY" };
    let wrong = || not_a(name, text);
    let nesting = trimmed.bytes().filter(|b| matches!(b, b'(' | b'[' | b'{')).count();
    let deep = nesting > DEPTH_MAX && depth(trimmed) > DEPTH_MAX;
    if trimmed.is_empty() || deep {
        return Err(wrong());
    }
    let bytes = if trimmed.starts_with('{') {
        from_geojson(trimmed).ok_or_else(wrong)?
    } else if trimmed.len().is_multiple_of(2) && trimmed.bytes().all(|b| b.is_ascii_hexdigit()) {
        from_wkb(&hex::decode(trimmed).map_err(|_| wrong())?, special)?
    } else {
        from_wkt(trimmed).ok_or_else(wrong)?
    };
    if special == Special::Geography { on_earth(bytes, text) } else { Ok(bytes) }
}

/// EWKB of WKB or EWKB bytes that came from outside.
pub fn from_wkb(bytes: &[u8], special: Special) -> Result<Vec<u8>> {
    let shown = || format!("{}…", hex::encode_upper(&bytes[..bytes.len().min(16)]));
    let wrong = || Error::Evaluation { message: format!("not the bytes of a shape: {}", shown()) };
    let shape = wkb::check(bytes, DEPTH_MAX).ok_or_else(wrong)?;
    let srid = shape.srid.filter(|srid| *srid != 0);
    // Written anew: plain little-endian EWKB, whatever the byte order and dialect were.
    let ewkb = Ewkb(bytes).to_ewkb(dimensions(&shape), srid).map_err(|_| wrong())?;
    if special == Special::Geography { on_earth(ewkb, &shown()) } else { Ok(ewkb) }
}

fn from_geojson(text: &str) -> Option<Vec<u8>> {
    GeoJson(text).to_ewkb(CoordDimensions::xy(), None).ok().filter(|bytes| wkb::check(bytes, DEPTH_MAX).is_some())
}

fn from_wkt(text: &str) -> Option<Vec<u8>> {
    let (srid, wkt) = match text.get(..5) {
        Some(prefix) if prefix.eq_ignore_ascii_case("srid=") => {
            let (srid, wkt) = text[5..].split_once(';')?;
            (Some(srid.trim().parse::<i32>().ok()?), wkt.trim())
        }
        _ => (None, text),
    };
    let dimensions = match wkt.split(['(', ',']).next()?.split_whitespace().nth(1) {
        Some(tag) if tag.eq_ignore_ascii_case("z") => CoordDimensions::xyz(),
        _ => CoordDimensions::xy(),
    };
    let bytes = Wkt(wkt.as_bytes()).to_ewkb(dimensions, srid.filter(|srid| *srid != 0)).ok()?;
    wkb::check(&bytes, DEPTH_MAX).map(|_| bytes)
}

/// Longitudes and latitudes in range; the coordinate system said.
fn on_earth(bytes: Vec<u8>, text: &str) -> Result<Vec<u8>> {
    let shape = wkb::check(&bytes, DEPTH_MAX).ok_or_else(|| not_a("GEOGRAPHY", text))?;
    if shape.x_max > 180.0 || shape.y_max > 90.0 {
        let message = format!("longitude is -180 to 180, latitude -90 to 90: '{}'", super::shown(text));
        return Err(Error::Evaluation { message });
    }
    match shape.srid {
        None | Some(0) => {
            Ewkb(&bytes[..]).to_ewkb(dimensions(&shape), Some(WGS84)).map_err(|_| not_a("GEOGRAPHY", text))
        }
        Some(WGS84) => Ok(bytes),
        Some(srid) => Err(Error::Evaluation { message: format!("GEOGRAPHY has SRID {WGS84}, not {srid}") }),
    }
}

/// The coordinate system, where one is said.
pub fn srid(ewkb: &[u8]) -> Option<i32> {
    wkb::check(ewkb, DEPTH_MAX).and_then(|shape| shape.srid)
}

pub fn format_wkt(ewkb: &[u8]) -> String {
    let shape = wkb::check(ewkb, DEPTH_MAX);
    let dims = shape.as_ref().map_or_else(CoordDimensions::xy, dimensions);
    Ewkb(ewkb).to_wkt_with_opts(geozero::wkt::WktDialect::Wkt, dims, None).unwrap_or_default()
}

pub fn format_ewkt(ewkb: &[u8]) -> String {
    match srid(ewkb) {
        Some(srid) if srid != 0 => format!("SRID={srid};{}", format_wkt(ewkb)),
        _ => format_wkt(ewkb),
    }
}

pub fn format_geojson(ewkb: &[u8]) -> String {
    let shape = wkb::check(ewkb, DEPTH_MAX);
    let dims = shape.as_ref().map_or_else(CoordDimensions::xy, dimensions);
    let mut out = Vec::new();
    let mut writer = geozero::geojson::GeoJsonWriter::with_dims(&mut out, dims);
    if Ewkb(ewkb).process_geom(&mut writer).is_err() {
        return Ewkb(ewkb).to_json().unwrap_or_default();
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// WKB without the coordinate system.
pub fn to_wkb(ewkb: &[u8]) -> Vec<u8> {
    let shape = wkb::check(ewkb, DEPTH_MAX);
    let dims = shape.as_ref().map_or_else(CoordDimensions::xy, dimensions);
    Ewkb(ewkb).to_wkb(dims).unwrap_or_default()
}

/// As a text of the wanted format; bytes as upper-case hex.
pub fn format(ewkb: &[u8], format: GeometryFormat) -> String {
    match format {
        GeometryFormat::GeoJson => format_geojson(ewkb),
        GeometryFormat::Wkt => format_wkt(ewkb),
        GeometryFormat::Ewkt => format_ewkt(ewkb),
        GeometryFormat::Wkb => hex::encode_upper(to_wkb(ewkb)),
        GeometryFormat::Ewkb => hex::encode_upper(ewkb),
    }
}

fn dimensions(shape: &wkb::Shape) -> CoordDimensions {
    CoordDimensions { z: shape.z, m: shape.m, t: false, tm: false }
}

fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_in_every_notation() {
        let point = parse("POINT(60 37.5)", Special::Geometry).unwrap();
        assert_eq!(format_wkt(&point), "POINT(60 37.5)");
        assert_eq!(format_ewkt(&parse("SRID=4326;POINT(60 37)", Special::Geometry).unwrap()), "SRID=4326;POINT(60 37)");
        let json = format_geojson(&point);
        assert_eq!(parse(&json, Special::Geometry).unwrap(), point);
        assert_eq!(parse(&hex::encode_upper(&point), Special::Geometry).unwrap(), point);
        assert_eq!(parse(&hex::encode(to_wkb(&point)), Special::Geometry).unwrap(), point);
        let polygon = "POLYGON((0 0,1 0,1 1,0 0))";
        assert_eq!(format_wkt(&parse(polygon, Special::Geometry).unwrap()), polygon);
        assert_eq!(srid(&parse("POINT(1 2)", Special::Geography).unwrap()), Some(WGS84));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "POINT", "POINT(1", "CIRCLE(1 2)", "{\"type\":\"Point\"}", "0101", "00", "POINT(a b)"] {
            assert!(parse(text, Special::Geometry).is_err(), "{text}");
        }
        assert!(parse("POINT(181 0)", Special::Geography).is_err());
        assert!(parse("SRID=3857;POINT(1 0)", Special::Geography).is_err());
        assert!(parse(&"GEOMETRYCOLLECTION(".repeat(10_000), Special::Geometry).is_err());
    }
}
