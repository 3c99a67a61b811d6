//! A stream that ends with an error as soon as its statement is cancelled.

use crate::Error;
use datafusion::{
    arrow::{datatypes::SchemaRef, record_batch::RecordBatch},
    common::{DataFusionError, Result},
    execution::{RecordBatchStream, SendableRecordBatchStream},
};
use futures::Stream;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// `stream`, until `cancel` fires. The plan's own tasks end when the stream is dropped, which happens at once.
pub(crate) fn until_cancelled(
    stream: SendableRecordBatchStream,
    cancel: CancellationToken,
) -> SendableRecordBatchStream {
    let schema = stream.schema();
    Box::pin(Cancellable {
        schema,
        inner: Some(stream),
        cancel: cancel.clone(),
        cancelled: Box::pin(cancel.cancelled_owned()),
    })
}

struct Cancellable {
    schema: SchemaRef,
    inner: Option<SendableRecordBatchStream>,
    cancel: CancellationToken,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Stream for Cancellable {
    type Item = Result<RecordBatch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        if !this.cancel.is_cancelled() {
            if let Poll::Ready(item) = inner.as_mut().poll_next(context) {
                return Poll::Ready(item);
            }
            if this.cancelled.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        this.inner = None;
        let error = Error::Cancelled { reason: "the statement was stopped".into() };
        Poll::Ready(Some(Err(DataFusionError::External(Box::new(error)))))
    }
}

impl RecordBatchStream for Cancellable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}
