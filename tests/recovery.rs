//! kill -9 under load, again and again, and at every named point of the commit; a ledger outside the server says what
//! must be there, what may be, and what must not.
//!
//! Rounds come from `BASALT_KILL_ROUNDS` (5 by default; `make test-crash` runs 50).

use basalt_tests::{Ledger, Outcome, SqlClient, SqlError, TestServer, cells, seed, wait_for};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

const LOAD: &str = "load";
const ROW: &str = "row";
const ROWS: &str = "rows";
const PAIR: &str = "pair";

/// One client of the crash test. Its operations are named `<kind>-<number>`.
struct Writer {
    base: String,
    ledger: Arc<Ledger>,
    numbers: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    random: StdRng,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let rounds: u32 = std::env::var("BASALT_KILL_ROUNDS").ok().map_or(5, |r| r.parse().expect("a number of rounds"));
    let mut random = StdRng::seed_from_u64(seed("kill loop"));
    let mut server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE events (op STRING, i INT, v BIGINT)").await;
    sql.run("CREATE TABLE left_side (op STRING, i INT, v BIGINT)").await;
    sql.run("CREATE TABLE right_side (op STRING, i INT, v BIGINT)").await;
    let ledger = Arc::new(Ledger::default());
    let numbers = Arc::new(AtomicU64::new(0));
    let mut acknowledged = 0;
    for round in 0..rounds {
        let life = Duration::from_millis(random.random_range(100..2500));
        write_until_killed(&mut server, &ledger, &numbers, life, random.random()).await;
        // every second round at least one kill during start-up, sometimes two
        while random.random_bool(0.4) {
            server.launch_and_kill(Duration::from_millis(random.random_range(1..400))).await;
        }
        server.launch().await;
        check(&server.sql(), &ledger, &format!("round {round} after {life:?}")).await;
        settle_labels(&server, &ledger, &mut random).await;
        check(&server.sql(), &ledger, &format!("round {round}, labels sent again")).await;
        acknowledged = ledger.count(Outcome::Done);
        println!("round {round}: lived {life:?}, {acknowledged} operations acknowledged so far");
    }
    assert!(acknowledged > 20 * rounds as usize, "the writers wrote: {acknowledged}");
    assert!(server.stop().await.success());
}

/// 16 writers and one maintainer work until the server is killed.
async fn write_until_killed(
    server: &mut TestServer,
    ledger: &Arc<Ledger>,
    numbers: &Arc<AtomicU64>,
    life: Duration,
    seed: u64,
) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for nth in 0..17u64 {
        let writer = Writer {
            base: server.base().into(),
            ledger: ledger.clone(),
            numbers: numbers.clone(),
            stop: stop.clone(),
            random: StdRng::seed_from_u64(seed ^ nth),
        };
        tasks.push(tokio::spawn(async move {
            match nth {
                0..=4 => writer.load().await,
                5..=9 => writer.insert_single_rows().await,
                10..=11 => writer.insert_many_rows().await,
                12..=13 => writer.insert_pairs().await,
                14..=15 => writer.delete().await,
                _ => writer.maintain().await,
            }
        }));
    }
    tokio::time::sleep(life).await;
    server.kill().await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("a writer must not panic");
    }
}

impl Writer {
    fn attempt(&self, kind: &'static str, rows: u64) -> String {
        let name = format!("{kind}-{}", self.numbers.fetch_add(1, Ordering::Relaxed));
        self.ledger.attempt(&name, kind, rows);
        name
    }

    fn running(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn client(&self) -> SqlClient {
        SqlClient::new(&self.base, "root", "")
    }

    /// Ledger entry of an answer; false when the server is gone.
    fn settle(&self, name: &str, answer: Result<(), SqlError>) -> bool {
        match answer {
            Ok(()) => self.ledger.settle(name, Outcome::Done),
            Err(error) if error.is_unknown() => return false,
            Err(_) => self.ledger.settle(name, Outcome::Refused),
        }
        true
    }

    async fn load(mut self) {
        while self.running() {
            let rows = if self.random.random_bool(0.1) { 30_000 } else { self.random.random_range(1..300) };
            let name = self.attempt(LOAD, rows);
            let load = basalt_tests::StreamLoad::new(&self.base, "default", "events").csv().label(&name);
            match load.send(csv_of(&name, rows)).await {
                Ok(answer) if answer.status == "Success" => self.ledger.settle(&name, Outcome::Done),
                Ok(answer) if answer.status == "Fail" => self.ledger.settle(&name, Outcome::Refused),
                Ok(answer) => panic!("{name}: {}", answer.body),
                Err(_) => return,
            }
        }
    }

    async fn insert_single_rows(self) {
        let sql = self.client();
        while self.running() {
            let name = self.attempt(ROW, 1);
            let answer = sql.query(&format!("INSERT INTO events VALUES ('{name}', 0, 0)")).await;
            if !self.settle(&name, answer.map(drop)) {
                return;
            }
        }
    }

    async fn insert_many_rows(mut self) {
        let sql = self.client();
        while self.running() {
            let rows = self.random.random_range(2..80);
            let name = self.attempt(ROWS, rows);
            let answer = sql.query(&format!("INSERT INTO events VALUES {}", values_of(&name, rows))).await;
            if !self.settle(&name, answer.map(drop)) {
                return;
            }
        }
    }

    async fn insert_pairs(mut self) {
        let sql = self.client();
        while self.running() {
            let rows = self.random.random_range(1..20);
            let name = self.attempt(PAIR, rows);
            let answer = insert_pair(&sql, &name, rows).await;
            if answer.is_err() {
                sql.query("ROLLBACK").await.ok();
            }
            if !self.settle(&name, answer) {
                return;
            }
        }
    }

    async fn delete(mut self) {
        let sql = self.client();
        while self.running() {
            let kind = if self.random.random_bool(0.5) { LOAD } else { ROWS };
            let Some(name) = self.ledger.any_done(kind, self.random.random_range(0..1000)) else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            self.ledger.delete(&name, Outcome::Unknown);
            match sql.query(&format!("DELETE FROM events WHERE op = '{name}'")).await {
                Ok(_) => self.ledger.delete(&name, Outcome::Done),
                Err(error) if error.is_unknown() => return,
                Err(_) => self.ledger.delete(&name, Outcome::Refused),
            }
        }
    }

    /// Folding and compaction run hot while rows come and go.
    async fn maintain(self) {
        let sql = self.client();
        while self.running() {
            if matches!(sql.query("OPTIMIZE TABLE events COMPACT").await, Err(e) if e.is_unknown()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn insert_pair(sql: &SqlClient, name: &str, rows: u64) -> Result<(), SqlError> {
    sql.query("BEGIN").await?;
    for table in ["left_side", "right_side"] {
        sql.query(&format!("INSERT INTO {table} VALUES {}", values_of(name, rows))).await?;
    }
    sql.query("COMMIT").await.map(drop)
}

fn csv_of(name: &str, rows: u64) -> String {
    (0..rows).map(|i| format!("{name},{i},{}\n", i * i)).collect()
}

fn values_of(name: &str, rows: u64) -> String {
    (0..rows).map(|i| format!("('{name}', {i}, {})", i * i)).collect::<Vec<_>>().join(", ")
}

/// What a table shows: rows and distinct rows by operation. A row whose parts do not belong together fails at once.
async fn shown(sql: &SqlClient, table: &str) -> BTreeMap<String, (u64, u64)> {
    let text = format!(
        "SELECT op, count(*), count(DISTINCT i), sum(CASE WHEN v = i::BIGINT * i::BIGINT THEN 0 ELSE 1 END) \
         FROM {table} GROUP BY op"
    );
    let number = |cell: &Option<String>| cell.as_deref().expect("a count").parse::<u64>().expect("a number");
    let rows = sql.run(&text).await.rows;
    rows.iter()
        .map(|row| {
            assert_eq!(number(&row[3]), 0, "torn rows in {table}: {}", cells(row));
            (row[0].clone().expect("a name"), (number(&row[1]), number(&row[2])))
        })
        .collect()
}

async fn check(sql: &SqlClient, ledger: &Ledger, when: &str) {
    let (left, right) = (shown(sql, "left_side").await, shown(sql, "right_side").await);
    assert_eq!(left, right, "{when}: a transaction is in one table only");
    let mut wrong = ledger.check(&[LOAD, ROW, ROWS], &shown(sql, "events").await);
    wrong.extend(ledger.check(&[PAIR], &left));
    assert!(wrong.is_empty(), "{when}: {} violations:\n{}", wrong.len(), wrong.join("\n"));
    let metadata = sql.one("SELECT count(*) FROM events").await;
    let counted = sql.one("SELECT count(*) FROM events WHERE i >= 0 OR i < 0").await;
    assert_eq!(metadata, counted, "{when}: the count from statistics is the count of rows");
}

/// Sends labelled loads again: all whose fate the ledger settled as absent (they are free: now they must load), and
/// some acknowledged ones (they must get their first answer and load nothing).
async fn settle_labels(server: &TestServer, ledger: &Ledger, random: &mut StdRng) {
    let mut done = 0;
    for (name, entry) in ledger.entries().into_iter().filter(|(_, e)| e.kind == LOAD && e.deleted.is_none()) {
        let again = server.load("default", "events").csv().label(&name);
        match entry.outcome {
            Outcome::Done if done < 20 && random.random_bool(0.2) => {
                done += 1;
                let answer = again.send(csv_of(&name, entry.rows)).await.expect("the server answers");
                assert_eq!(answer.status, "Label Already Exists", "{name}: {}", answer.body);
                assert_eq!(answer.text("ExistingJobStatus"), "FINISHED");
            }
            Outcome::Refused => {
                again.ok(csv_of(&name, entry.rows)).await;
                ledger.settle(&name, Outcome::Done);
            }
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_raced_by_many_and_cut_by_a_kill_loads_once() {
    let mut random = StdRng::seed_from_u64(seed("label race"));
    let mut server = TestServer::start().await;
    server.sql().run("CREATE TABLE events (op STRING, i INT, v BIGINT)").await;
    for round in 0..3 {
        let label = format!("race-{round}");
        let body = csv_of(&label, 20_000);
        let loads: Vec<_> = (0..32)
            .map(|_| {
                let load = server.load("default", "events").csv().label(&label);
                tokio::spawn(load.send(body.clone()))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(random.random_range(5..300))).await;
        server.kill().await;
        let mut won = 0;
        for load in loads {
            won += usize::from(load.await.unwrap().is_ok_and(|answer| answer.status == "Success"));
        }
        assert!(won <= 1, "{won} loads with one label were acknowledged");
        server.launch().await;
        let again = server.load("default", "events").csv().label(&label).send(body).await.unwrap();
        assert!(won == 0 || again.status == "Label Already Exists", "{}", again.body);
        let rows = server.sql().one(&format!("SELECT count(*) FROM events WHERE op = '{label}'")).await;
        assert_eq!(rows, "20000");
    }
}

/// Points before which nothing may be visible, and points after which everything must be.
const BEFORE: [&str; 5] = ["seg.create", "seg.write", "seg.fsync", "seg.dirsync", "commit.before_write"];
const AFTER: [&str; 3] = ["commit.after_write", "commit.publish", "commit.reply"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_every_named_point_leaves_all_or_nothing() {
    for (point, expected) in BEFORE.iter().map(|p| (p, "0")).chain(AFTER.iter().map(|p| (p, "200000"))) {
        let mut server = TestServer::start().await;
        server.sql().run("CREATE TABLE events (op STRING, i INT, v BIGINT)").await;
        server.stop().await;
        launch_with_crash_point(&mut server, point).await;
        // big enough to become Parquet files, so that all points are passed
        let body = csv_of("x", 200_000);
        let answer = server.load("default", "events").csv().label("x").send(body.clone()).await;
        assert!(answer.is_err(), "{point}: the server must be gone, not {:?}", answer.map(|a| a.body));
        wait_for("the server aborts", Duration::from_secs(10), || {
            let alive = server.is_alive();
            async move { !alive }
        })
        .await;
        server.clear_env("BASALT_CRASH_POINT");
        server.kill().await;
        server.launch().await;
        let sql = server.sql();
        assert_eq!(sql.one("SELECT count(*) FROM events").await, expected, "{point}");
        let again = server.load("default", "events").csv().label("x").send(body).await.unwrap();
        let status = if expected == "0" { "Success" } else { "Label Already Exists" };
        assert_eq!(again.status, status, "{point}: {}", again.body);
        assert_eq!(
            sql.one("SELECT count(*) || '/' || count(DISTINCT i) FROM events").await,
            "200000/200000",
            "{point}"
        );
    }
}

/// Start-up may pass the point itself: then the next pass is asked for.
async fn launch_with_crash_point(server: &mut TestServer, point: &str) {
    for pass in 1..10 {
        server.set_env("BASALT_CRASH_POINT", format!("{point}:{pass}"));
        if server.try_launch().await.is_ok() {
            return;
        }
    }
    panic!("{point}: the server does not start within nine passes of this point");
}

#[tokio::test]
async fn a_second_process_on_the_same_directory_is_refused() {
    let mut server = TestServer::start().await;
    let output = std::process::Command::new(basalt_tests::binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(server.data_dir())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).to_lowercase() + &String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("another process uses this data directory"), "{text}");
    assert!(server.is_alive());
    assert_eq!(server.sql().one("SELECT 1").await, "1");
}

#[tokio::test]
async fn a_flipped_bit_is_an_error_that_names_the_file_never_data() {
    let mut server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (i INT, s STRING)").await;
    let body: String = (0..300_000).map(|i| format!("{i},value {}\n", i * 7919 % 300_000)).collect();
    server.load("default", "t").csv().ok(body).await;
    server.stop().await;
    let file = segment_files(&server).pop().expect("a Parquet segment");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 0x10;
    std::fs::write(&file, bytes).unwrap();
    server.launch().await;
    let sql = server.sql();
    let error = sql.fail("SELECT sum(i), max(s), count(DISTINCT s) FROM t").await;
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    assert!(error.message.contains(&name) || error.message.contains("damaged"), "{error}");
    assert_eq!(sql.one("SELECT 1").await, "1", "everything else serves");
}

/// Parquet files of the server, by size.
fn segment_files(server: &TestServer) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![server.data_dir()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path).is_ok_and(|bytes| bytes.starts_with(b"PAR1")) {
                found.push(path);
            }
        }
    }
    found.sort_by_key(|path| std::fs::metadata(path).unwrap().len());
    found
}

#[tokio::test]
async fn a_dropped_table_and_an_old_snapshot_survive_a_kill() {
    let mut server = TestServer::start().await;
    let sql = server.sql();
    sql.run("CREATE TABLE t (i INT)").await;
    sql.run("INSERT INTO t VALUES (1), (2)").await;
    sql.run("CREATE TABLE gone (i INT)").await;
    sql.run("INSERT INTO gone VALUES (42)").await;
    sql.run("DROP TABLE gone").await;
    server.kill().await;
    server.launch().await;
    let sql = server.sql();
    assert_eq!(sql.fail("SELECT * FROM gone").await.code, 1025);
    sql.run("UNDROP TABLE gone").await;
    assert_eq!(sql.one("SELECT i FROM gone").await, "42");
}
