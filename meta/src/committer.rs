//! The one thread through which everything changes: it takes what waits, validates one change after the other, makes
//! all of them durable with one synced write, shows them, and answers.
//!
//! There is no artificial delay: while one write is being synced the next group gathers. A failed write stops the
//! process (what is on disk is then unknown, and the log tells at the next start), and so does a panic here. What a
//! change means is in `apply.rs`.

use crate::{
    CatalogSettings, Changes, Committed, Error, Result, apply::Group, core::Core, crash::crash_point, metrics as names,
    state::State,
};
use parking_lot::Mutex;
use std::{
    sync::{Arc, mpsc as std_mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

/// A group is closed when its batch has grown to this.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// How long a thread sleeps when the queue is full before it tries again.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(1);

/// The way to the committer's thread.
#[derive(Debug)]
pub(crate) struct Committer {
    queue: Mutex<Option<mpsc::Sender<Request>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Request {
    changes: Changes,
    reply: Reply,
}

#[derive(Debug)]
enum Reply {
    Task(oneshot::Sender<Result<Committed>>),
    Thread(std_mpsc::SyncSender<Result<Committed>>),
}

impl Reply {
    /// The caller may have gone; what was committed stays committed.
    fn send(self, result: Result<Committed>) {
        match self {
            Reply::Task(sender) => drop(sender.send(result)),
            Reply::Thread(sender) => drop(sender.send(result)),
        }
    }
}

impl Committer {
    pub(crate) fn start(core: Arc<Core>, settings: &CatalogSettings) -> Result<Self> {
        let (sender, receiver) = mpsc::channel(settings.commit_queue.max(1));
        let group_commit_max = settings.group_commit_max.max(1);
        let run = move || {
            let _abort = AbortOnPanic;
            run(&core, receiver, group_commit_max);
        };
        let thread = thread::Builder::new().name("basalt-commit".to_owned()).spawn(run)?;
        Ok(Self { queue: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    pub(crate) async fn commit(&self, changes: Changes) -> Result<Committed> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue()?;
        queue.send(Request { changes, reply: Reply::Task(reply) }).await.map_err(|_| Error::Closed)?;
        drop(queue);
        answer.await.map_err(|_| Error::Closed)?
    }

    pub(crate) fn commit_blocking(&self, changes: Changes) -> Result<Committed> {
        let (reply, answer) = std_mpsc::sync_channel(1);
        let queue = self.queue()?;
        let mut request = Request { changes, reply: Reply::Thread(reply) };
        loop {
            match queue.try_send(request) {
                Ok(()) => break,
                Err(TrySendError::Closed(_)) => return Err(Error::Closed),
                Err(TrySendError::Full(back)) => request = back,
            }
            thread::sleep(QUEUE_FULL_PAUSE);
        }
        drop(queue);
        answer.recv().map_err(|_| Error::Closed)?
    }

    /// Takes no more changes, finishes those taken, and ends the thread. False when that was done before.
    pub(crate) fn stop(&self) -> bool {
        drop(self.queue.lock().take());
        let Some(thread) = self.thread.lock().take() else { return false };
        thread.join().expect("a panic of the committer stops the process");
        true
    }

    fn queue(&self) -> Result<mpsc::Sender<Request>> {
        self.queue.lock().clone().ok_or(Error::Closed)
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(core: &Core, mut queue: mpsc::Receiver<Request>, group_commit_max: usize) {
    while let Some(first) = queue.blocking_recv() {
        commit_group(core, first, &mut queue, group_commit_max);
    }
}

fn commit_group(core: &Core, first: Request, queue: &mut mpsc::Receiver<Request>, group_commit_max: usize) {
    let head = core.head.load_full();
    let oldest_pin = core.pins.oldest(|| head.version);
    let mut group = Group::new(&core.rocks, State::clone(&head), oldest_pin);
    let mut answers = Vec::new();
    let mut next = Some(first);
    while let Some(Request { changes, reply }) = next {
        answers.push((reply, group.apply(changes)));
        let full = answers.len() == group_commit_max || group.size_bytes() >= GROUP_BYTES_MAX;
        next = if full { None } else { queue.try_recv().ok() };
    }
    let accepted = group.len();
    if accepted > 0 {
        write_and_publish(core, group);
    }
    metrics::counter!(names::COMMITS).increment(accepted as u64);
    metrics::counter!(names::REJECTED).increment((answers.iter().filter(|(_, result)| result.is_err()).count()) as u64);
    for (reply, result) in answers {
        crash_point("commit.reply");
        reply.send(result);
    }
}

fn write_and_publish(core: &Core, group: Group<'_>) {
    metrics::histogram!(names::GROUP_COMMITS).record(group.len() as f64);
    metrics::histogram!(names::GROUP_BYTES).record(group.size_bytes() as f64);
    let (batch, state) = group.finish();
    crash_point("commit.before_write");
    let started = Instant::now();
    if let Err(error) = core.rocks.write_synced(batch) {
        tracing::error!(%error, "the catalogue could not be written; stopping the process");
        std::process::abort();
    }
    metrics::histogram!(names::WRITE_SECONDS).record(started.elapsed().as_secs_f64());
    crash_point("commit.after_write");
    core.head.store(Arc::new(state));
    crash_point("commit.publish");
}

/// A panic while changes are being applied leaves nobody who could say what holds.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!("the committer panicked; stopping the process");
            std::process::abort();
        }
    }
}
