//! Figures, printed on request: `cargo test --release -p basalt-meta speed -- --ignored --nocapture`.

use super::*;
use std::time::{Duration, Instant};

const RUN: Duration = Duration::from_secs(3);

fn report(name: &str, callers: usize) {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let started = Instant::now();
    let commits: usize = runtime.block_on(async {
        let caller = || {
            let catalog = fixture.catalog.clone();
            async move {
                let mut commits = 0;
                while started.elapsed() < RUN {
                    let (_, edit) = add_inline(table, 1, &[7; 400]);
                    catalog.commit(Changes { edits: vec![edit], ..Changes::default() }).await.unwrap();
                    commits += 1;
                }
                commits
            }
        };
        let tasks: Vec<_> = (0..callers).map(|_| tokio::spawn(caller())).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    });
    let elapsed = started.elapsed();
    let per_second = commits as f64 / elapsed.as_secs_f64();
    println!("{name}: {callers} callers, {commits} commits, {per_second:.0} commits/s");
    assert_eq!(fixture.table(table).segments(), commits);
}

#[test]
#[ignore = "prints figures"]
fn speed_of_commits() {
    println!("one fdatasync of 1 KiB appended: {:?}", sync_time());
    report("one after the other", 1);
    report("together", 64);
    report("many", 256);
}

/// Median time of a synced append to a file beside the catalogue, for comparison.
fn sync_time() -> Duration {
    use std::io::Write;
    let dir = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create(dir.path().join("f")).unwrap();
    let mut times: Vec<Duration> = (0..500)
        .map(|_| {
            let started = Instant::now();
            file.write_all(&[1; 1024]).unwrap();
            file.sync_data().unwrap();
            started.elapsed()
        })
        .collect();
    times.sort();
    times[250]
}

#[test]
#[ignore = "prints figures"]
fn speed_of_opening_100_000_segments() {
    const SEGMENTS: usize = 100_000;
    const COLUMNS: u32 = 20;
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let stats = object(1).stats.remove(0);
    let segment = || {
        let stats = (0..COLUMNS).map(|i| ColumnStats { column: ColumnId(i), ..stats.clone() }).collect();
        Segment { stats, ..object(1000) }
    };
    let started = Instant::now();
    for _ in 0..SEGMENTS / 1000 {
        let segments = (0..1000).map(|_| segment()).collect();
        fixture.commit(vec![add(table, Operation::Append, segments)]).unwrap();
    }
    println!("committed {SEGMENTS} segments of {COLUMNS} columns in {:?}", started.elapsed());
    let started = Instant::now();
    let fixture = fixture.reopen(End::Sudden);
    let elapsed = started.elapsed();
    println!("opened {SEGMENTS} segments in {elapsed:?}");
    assert_eq!(fixture.table(table).segments(), SEGMENTS);
    let started = Instant::now();
    fixture.append(table);
    println!("appended one more in {:?}", started.elapsed());
    let victim = fixture.table(table).iter().nth(SEGMENTS / 2).unwrap().segment.id;
    let started = Instant::now();
    fixture.commit(vec![delete_rows(table, victim, &[1])]).unwrap();
    println!("deleted a row in {:?}", started.elapsed());
}
