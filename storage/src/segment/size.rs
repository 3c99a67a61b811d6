//! How much memory rows take: of a slice only its share, so that slices of one large batch are not counted in full.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::DataType,
    record_batch::RecordBatch,
};

/// Bytes of the rows of `batch`.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(array_bytes).sum()
}

fn array_bytes(array: &ArrayRef) -> usize {
    let nulls = if array.nulls().is_some() { array.len().div_ceil(8) } else { 0 };
    let values = match array.data_type() {
        DataType::Utf8View => array.len() * 16 + array.as_string_view().total_buffer_bytes_used(),
        DataType::BinaryView => array.len() * 16 + array.as_binary_view().total_buffer_bytes_used(),
        DataType::Struct(_) => array.as_struct().columns().iter().map(array_bytes).sum(),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            let (start, end) = (offsets[0] as usize, offsets[array.len()] as usize);
            offsets.len() * 4 + array_bytes(&list.values().slice(start, end - start))
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            let offsets = map.value_offsets();
            let (start, end) = (offsets[0] as usize, offsets[array.len()] as usize);
            let entries = map.entries().slice(start, end - start);
            offsets.len() * 4 + entries.columns().iter().map(array_bytes).sum::<usize>()
        }
        other => match other.primitive_width() {
            Some(width) => array.len() * width,
            None => return array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()),
        },
    };
    nulls + values
}

/// The same rows, with views over no more than twice the bytes they use: what a filter leaves of a large batch must
/// not keep all of it in memory.
pub(crate) fn without_unused_buffers(batch: RecordBatch) -> RecordBatch {
    let wasteful = |array: &ArrayRef| match array.data_type() {
        DataType::Utf8View => {
            let views = array.as_string_view();
            is_wasteful(views.data_buffers().iter().map(|b| b.len()).sum(), views.total_buffer_bytes_used())
        }
        DataType::BinaryView => {
            let views = array.as_binary_view();
            is_wasteful(views.data_buffers().iter().map(|b| b.len()).sum(), views.total_buffer_bytes_used())
        }
        _ => false,
    };
    if !batch.columns().iter().any(wasteful) {
        return batch;
    }
    let compact = |array: &ArrayRef| -> ArrayRef {
        match array.data_type() {
            DataType::Utf8View if wasteful(array) => std::sync::Arc::new(array.as_string_view().gc()),
            DataType::BinaryView if wasteful(array) => std::sync::Arc::new(array.as_binary_view().gc()),
            _ => array.clone(),
        }
    };
    let columns = batch.columns().iter().map(compact).collect();
    RecordBatch::try_new(batch.schema(), columns).expect("compacted columns keep type and length")
}

fn is_wasteful(held: usize, used: usize) -> bool {
    held > 2 * used + (64 << 10)
}
