//! The bounded page buffer between a running plan and a client that may be slow. No waiting here: that is `shared`.

use crate::{Error, Result};
use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{ByteViewType, DataType},
    record_batch::RecordBatch,
};
use std::{collections::VecDeque, sync::Arc};

/// A slice of a result.
#[derive(Debug, Clone)]
pub struct ResultPage {
    /// 0-based.
    pub number: u64,
    /// Rows in order; every batch has the result's schema.
    pub batches: Vec<RecordBatch>,
    pub rows: usize,
    /// Whether another page may follow; false once the end is known.
    pub more: bool,
}

/// How large pages and the buffer may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageLimits {
    pub page_rows: usize,
    pub page_bytes: usize,
    pub buffer_rows: usize,
    pub buffer_bytes: usize,
}

/// Rows on their way to the client: those that wait, and the page served last.
#[derive(Debug)]
pub(super) struct PageBuffer {
    limits: PageLimits,
    waiting: VecDeque<Waiting>,
    rows: usize,
    bytes: usize,
    /// No more rows will come.
    ended: bool,
    /// Data pages served.
    served: u64,
    last: Option<Arc<ResultPage>>,
}

#[derive(Debug)]
struct Waiting {
    batch: RecordBatch,
    bytes: usize,
}

/// Whether a page may be closed before it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// Only full pages, unless the end was reached.
    Full,
    /// What there is, if anything.
    Any,
}

impl PageBuffer {
    pub fn new(limits: PageLimits) -> Self {
        Self { limits, waiting: VecDeque::new(), rows: 0, bytes: 0, ended: false, served: 0, last: None }
    }

    /// Takes a batch of the plan; returns its size.
    pub fn push(&mut self, batch: RecordBatch) -> usize {
        let batch = compact(batch);
        let bytes = batch_bytes(&batch);
        self.rows += batch.num_rows();
        self.bytes += bytes;
        if batch.num_rows() > 0 {
            self.waiting.push_back(Waiting { batch, bytes });
        }
        bytes
    }

    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Frees everything.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.rows = 0;
        self.bytes = 0;
        self.last = None;
        self.ended = true;
    }

    /// Whether the executor must pause.
    pub fn is_full(&self) -> bool {
        self.rows >= self.limits.buffer_rows.max(self.limits.page_rows) || self.bytes >= self.limits.buffer_bytes
    }

    /// Whether a whole page waits.
    pub fn has_page(&self) -> bool {
        self.ended || self.rows >= self.limits.page_rows || self.bytes >= self.limits.page_bytes
    }

    pub fn served(&self) -> u64 {
        self.served
    }

    /// Everything was served.
    pub fn is_drained(&self) -> bool {
        self.ended && self.waiting.is_empty()
    }

    /// Page `number`, if it can be had now.
    pub fn take(&mut self, number: u64, fill: Fill) -> Result<Option<Arc<ResultPage>>> {
        if let Some(last) = &self.last
            && last.number == number
        {
            return Ok(Some(last.clone()));
        }
        if number != self.served {
            return Err(Error::PageOutOfRange { requested: number, current: self.served });
        }
        if self.waiting.is_empty() {
            let end = ResultPage { number, batches: Vec::new(), rows: 0, more: false };
            return Ok(self.ended.then(|| Arc::new(end)));
        }
        if fill == Fill::Full && !self.has_page() {
            return Ok(None);
        }
        let page = Arc::new(self.cut(number));
        self.served += 1;
        self.last = Some(page.clone());
        Ok(Some(page))
    }

    fn cut(&mut self, number: u64) -> ResultPage {
        let (mut rows, mut bytes, mut batches) = (0, 0, Vec::new());
        while let Some(next) = self.waiting.pop_front() {
            let room = self.limits.page_rows.max(1) - rows;
            let per_row = (next.bytes / next.batch.num_rows()).max(1);
            let room = room.min((self.limits.page_bytes.saturating_sub(bytes) / per_row).max(usize::from(rows == 0)));
            if room == 0 {
                self.waiting.push_front(next);
                break;
            }
            let taken = room.min(next.batch.num_rows());
            let (taken_bytes, whole) = (per_row * taken, taken == next.batch.num_rows());
            rows += taken;
            bytes += taken_bytes;
            self.rows -= taken;
            if whole {
                self.bytes -= next.bytes;
                batches.push(next.batch);
                continue;
            }
            let rest = next.batch.slice(taken, next.batch.num_rows() - taken);
            batches.push(next.batch.slice(0, taken));
            let rest_bytes = next.bytes.saturating_sub(taken_bytes);
            self.bytes -= next.bytes - rest_bytes;
            self.waiting.push_front(Waiting { batch: rest, bytes: rest_bytes });
            break;
        }
        ResultPage { number, batches, rows, more: !self.is_drained() }
    }
}

/// Bytes of a batch's own values: shared buffers behind views and slices are not counted.
fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(array_bytes).sum()
}

fn array_bytes(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::Utf8View => array.len() * 16 + view_bytes(array.as_string_view()),
        DataType::BinaryView => array.len() * 16 + view_bytes(array.as_binary_view()),
        DataType::Null => 0,
        _ => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()),
    }
}

fn view_bytes<T: ByteViewType>(array: &arrow::array::GenericByteViewArray<T>) -> usize {
    array.lengths().filter(|length| *length > 12).map(|length| length as usize).sum()
}

/// Views keep whole buffers alive: copied out where they hold much more than they show.
fn compact(batch: RecordBatch) -> RecordBatch {
    let wasteful = |array: &ArrayRef| match array.data_type() {
        DataType::Utf8View => is_wasteful(array.as_string_view()),
        DataType::BinaryView => is_wasteful(array.as_binary_view()),
        _ => false,
    };
    if !batch.columns().iter().any(wasteful) {
        return batch;
    }
    let columns = batch.columns().iter().map(|array| match array.data_type() {
        DataType::Utf8View if wasteful(array) => Arc::new(array.as_string_view().gc()) as ArrayRef,
        DataType::BinaryView if wasteful(array) => Arc::new(array.as_binary_view().gc()) as ArrayRef,
        _ => array.clone(),
    });
    RecordBatch::try_new(batch.schema(), columns.collect()).unwrap_or(batch)
}

fn is_wasteful<T: ByteViewType>(array: &arrow::array::GenericByteViewArray<T>) -> bool {
    let held: usize = array.data_buffers().iter().map(|b| b.len()).sum();
    held > (64 << 10) && held > 2 * view_bytes(array)
}
