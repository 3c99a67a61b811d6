//! A look through the bytes of a shape before any parser that recurses or allocates by their word sees them: lengths
//! hold, kinds exist, collections nest in bounds. Both WKB (kinds counted in thousands) and EWKB (flags) are known.

/// What the bytes say of their shape.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    pub srid: Option<i32>,
    pub z: bool,
    pub m: bool,
    /// Largest absolute coordinates.
    pub x_max: f64,
    pub y_max: f64,
}

struct Cursor<'a> {
    bytes: &'a [u8],
    shape: Shape,
}

/// The shape, if the bytes are exactly one.
pub(super) fn check(bytes: &[u8], depth_max: usize) -> Option<Shape> {
    let mut cursor = Cursor { bytes, shape: Shape::default() };
    cursor.shape_at(depth_max, true)?;
    cursor.bytes.is_empty().then_some(cursor.shape)
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    fn u32(&mut self, little: bool) -> Option<u32> {
        let bytes: [u8; 4] = self.take(4)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn f64(&mut self, little: bool) -> Option<f64> {
        let bytes: [u8; 8] = self.take(8)?.try_into().ok()?;
        Some(if little { f64::from_le_bytes(bytes) } else { f64::from_be_bytes(bytes) })
    }

    fn shape_at(&mut self, depth: usize, outer: bool) -> Option<()> {
        let little = match self.take(1)?[0] {
            0 => false,
            1 => true,
            _ => return None,
        };
        let kind = self.u32(little)?;
        let thousands = (kind & 0x0fff_ffff) / 1000;
        let (z, m) = (kind & 0x8000_0000 != 0, kind & 0x4000_0000 != 0);
        let (z, m) = (z || matches!(thousands, 1 | 3), m || matches!(thousands, 2 | 3));
        if kind & 0x2000_0000 != 0 {
            let srid = self.u32(little)? as i32;
            self.shape.srid = self.shape.srid.or(Some(srid));
        }
        if outer {
            (self.shape.z, self.shape.m) = (z, m);
        } else if (self.shape.z, self.shape.m) != (z, m) {
            return None;
        }
        let width = 2 + usize::from(z) + usize::from(m);
        match (kind & 0x0fff_ffff) % 1000 {
            1 => self.points(1, width, little),
            2 => {
                let count = self.u32(little)?;
                self.points(count, width, little)
            }
            3 => {
                for _ in 0..self.u32(little)? {
                    let count = self.u32(little)?;
                    self.points(count, width, little)?;
                }
                Some(())
            }
            4..=7 => {
                let depth = depth.checked_sub(1)?;
                for _ in 0..self.u32(little)? {
                    self.shape_at(depth, false)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    fn points(&mut self, count: u32, width: usize, little: bool) -> Option<()> {
        for _ in 0..count {
            let (x, y) = (self.f64(little)?, self.f64(little)?);
            self.take((width - 2) * 8)?;
            // The empty point is written as NaN, which `max` passes over.
            self.shape.x_max = self.shape.x_max.max(x.abs());
            self.shape.y_max = self.shape.y_max.max(y.abs());
        }
        Some(())
    }
}
