//! Rows as text: where each field of a batch of records stands in its chunk. What the fields mean is found later, one
//! column at a time (`column.rs`), which keeps the loops tight and the memory of a batch within the CPU's cache.

/// What a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellKind {
    /// Plain text.
    Text = 0,
    /// Text that was meant as one: quoted in CSV, a string in JSON. Never missing, even when it is empty.
    Quoted = 1,
    /// A JSON number.
    Number = 2,
    Null = 3,
    /// The record has no such field.
    Missing = 4,
    /// A JSON object or array.
    Nested = 5,
}

/// One field: its place, and its kind in the upper bits of the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    start: u32,
    end: u32,
}

const KIND_SHIFT: u32 = 29;
const PLACE_MASK: u32 = (1 << KIND_SHIFT) - 1;

/// Largest chunk whose fields can be described.
pub(super) const CHUNK_BYTES_MAX: usize = 1 << 28;

impl Cell {
    /// A field of plain text: the common case, without any bits to set.
    pub fn text(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    pub fn new(start: usize, end: usize, kind: CellKind) -> Self {
        Self { start: start as u32, end: end as u32 | (kind as u32) << KIND_SHIFT }
    }

    pub const MISSING: Self = Self { start: 0, end: (CellKind::Missing as u32) << KIND_SHIFT };
    pub const NULL: Self = Self { start: 0, end: (CellKind::Null as u32) << KIND_SHIFT };

    pub fn kind(self) -> CellKind {
        match self.end >> KIND_SHIFT {
            0 => CellKind::Text,
            1 => CellKind::Quoted,
            2 => CellKind::Number,
            3 => CellKind::Null,
            4 => CellKind::Missing,
            _ => CellKind::Nested,
        }
    }

    pub fn start(self) -> usize {
        self.start as usize
    }

    pub fn end(self) -> usize {
        (self.end & PLACE_MASK) as usize
    }
}

/// A batch of records of equal width over one chunk of text.
#[derive(Debug)]
pub(super) struct Records<'a> {
    text: &'a str,
    /// Fields that had to be unescaped; their places count on from the end of `text`.
    unescaped: String,
    width: usize,
    cells: Vec<Cell>,
    /// Where each record stands, for the log of bad rows.
    spans: Vec<(u32, u32)>,
}

impl<'a> Records<'a> {
    pub fn new(text: &'a str, width: usize, rows: usize) -> Self {
        let cells = Vec::with_capacity(width * rows.min(8192));
        Self { text, unescaped: String::new(), width, cells, spans: Vec::new() }
    }

    /// Forgets the records; the text stays.
    pub fn clear(&mut self) {
        self.cells.clear();
        self.spans.clear();
        self.unescaped.clear();
    }

    pub fn rows(&self) -> usize {
        self.spans.len()
    }

    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Adds a field to the record being read.
    #[inline]
    pub fn push(&mut self, cell: Cell) {
        self.cells.push(cell);
    }

    /// Adds a field whose text is not in the chunk.
    pub fn push_unescaped(&mut self, kind: CellKind, write: impl FnOnce(&mut String)) {
        let cell = self.unescape(kind, write);
        self.push(cell);
    }

    /// Text of a field that is not in the chunk.
    pub fn unescape(&mut self, kind: CellKind, write: impl FnOnce(&mut String)) -> Cell {
        let start = self.text.len() + self.unescaped.len();
        write(&mut self.unescaped);
        Cell::new(start, self.text.len() + self.unescaped.len(), kind)
    }

    /// Fields of the record being read.
    pub fn pending(&self) -> usize {
        self.cells.len() - self.spans.len() * self.width
    }

    /// Ends the record being read; it must have all its fields.
    #[inline]
    pub fn end_record(&mut self, start: usize, end: usize) {
        debug_assert_eq!(self.pending(), self.width);
        self.spans.push((start as u32, end as u32));
    }

    /// Gives the record being read its number of fields: too many are cut off, those it lacks are missing.
    pub fn fit(&mut self, width: usize) {
        self.cells.resize(self.spans.len() * self.width + width, Cell::MISSING);
    }

    /// Where a record begins in the text.
    pub fn row_start(&self, row: usize) -> usize {
        self.spans[row].0 as usize
    }

    /// Forgets the record being read.
    pub fn drop_record(&mut self) {
        self.cells.truncate(self.spans.len() * self.width);
    }

    /// Starts a record of missing fields, to be filled by [`Records::set`].
    pub fn begin_missing(&mut self) {
        self.cells.resize((self.spans.len() + 1) * self.width, Cell::MISSING);
    }

    /// Sets a field of the record being read.
    pub fn set(&mut self, field: usize, cell: Cell) {
        let at = self.spans.len() * self.width + field;
        self.cells[at] = cell;
    }

    #[inline]
    pub fn cell(&self, row: usize, field: usize) -> Cell {
        self.cells[row * self.width + field]
    }

    #[inline]
    pub fn bytes(&self, cell: Cell) -> &[u8] {
        self.str(cell).as_bytes()
    }

    #[inline]
    pub fn str(&self, cell: Cell) -> &str {
        let (start, end) = (cell.start(), cell.end());
        let length = self.text.len();
        if start < length || end <= length {
            &self.text[start..end]
        } else {
            &self.unescaped[start - length..end - length]
        }
    }

    /// The text of a record.
    pub fn row(&self, row: usize) -> &[u8] {
        let (start, end) = self.spans[row];
        &self.text.as_bytes()[start as usize..end as usize]
    }
}
