//! `basalt-datagen`: writes benchmark tables as CSV or Parquet files. Deterministic: the same arguments give the same
//! bytes, whatever the machine and the number of threads.
#![allow(clippy::disallowed_macros)] // a command line tool reports on its standard output

use basalt_benches::{FileFormat, Result, TableSource, WriteOptions, hits, ssb, tpch};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{path::PathBuf, process::ExitCode, time::Instant};

#[derive(Debug, Parser)]
#[command(name = "basalt-datagen", about = "Writes benchmark tables as CSV or Parquet files")]
struct Arguments {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Debug, Subcommand)]
enum Suite {
    /// The eight tables of TPC-H.
    Tpch {
        /// Scale factor: 1 is about 1 GB of CSV.
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
        #[command(flatten)]
        output: Output,
    },
    /// The 105-column table of ClickBench, with generated rows.
    Hits {
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
        #[command(flatten)]
        output: Output,
    },
    /// The Star Schema Benchmark, star and flat.
    Ssb {
        /// Scale factor: 1 is about 6 million facts.
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Args)]
struct Output {
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// Field separator of CSV: one ASCII character, or `\t`.
    #[arg(long, default_value = "|")]
    separator: String,
    /// Directory for `<table>.csv` or `<table>.parquet`.
    #[arg(long)]
    out: PathBuf,
    /// Only these tables, apart by commas.
    #[arg(long, value_delimiter = ',')]
    tables: Vec<String>,
    /// Threads; 0 means one per core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Rows of a Parquet row group.
    #[arg(long, default_value_t = 1 << 20)]
    row_group_rows: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Parquet,
}

impl Output {
    fn options(&self) -> Result<WriteOptions> {
        let format = match self.format {
            Format::Parquet => FileFormat::Parquet,
            Format::Csv => FileFormat::Csv { separator: separator(&self.separator)? },
        };
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let threads = if self.threads == 0 { cores } else { self.threads };
        Ok(WriteOptions { dir: self.out.clone(), format, threads })
    }

    fn chunk_rows(&self) -> usize {
        if self.format == Format::Parquet { self.row_group_rows.max(1) } else { 64 << 10 }
    }

    fn wanted<'a>(&'a self, all: &[&'a str]) -> Vec<&'a str> {
        if self.tables.is_empty() { all.to_vec() } else { self.tables.iter().map(String::as_str).collect() }
    }
}

fn separator(text: &str) -> Result<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        b"\\t" => Ok(b'\t'),
        _ => Err(format!("separator must be one ASCII character or \\t: `{text}`").into()),
    }
}

fn sources(suite: &Suite) -> Result<(Vec<TableSource>, &Output)> {
    let named = |names: Vec<&str>, find: &dyn Fn(&str) -> Option<TableSource>| {
        names.into_iter().map(|n| find(n).ok_or_else(|| format!("unknown table `{n}`").into())).collect::<Result<_>>()
    };
    let positive = |scale: f64| if scale > 0.0 && scale.is_finite() { Ok(scale) } else { Err("scale must be above 0") };
    Ok(match suite {
        Suite::Tpch { scale, output } => {
            let scale = positive(*scale)?;
            (named(output.wanted(&tpch::TABLES), &|n| tpch::table(n, scale, output.chunk_rows()))?, output)
        }
        Suite::Ssb { scale, output } => {
            let scale = positive(*scale)?;
            (named(output.wanted(&ssb::TABLES), &|n| ssb::table(n, scale, output.seed, output.chunk_rows()))?, output)
        }
        Suite::Hits { rows, output } => {
            let find = |n: &str| (n == "hits").then(|| hits::table(*rows, output.seed, output.chunk_rows()));
            (named(output.wanted(&["hits"]), &find)?, output)
        }
    })
}

fn run(arguments: &Arguments) -> Result<()> {
    let (sources, output) = sources(&arguments.suite)?;
    let options = output.options()?;
    for source in sources {
        let start = Instant::now();
        let written = source.write(&options)?;
        println!(
            "{}: {} rows, {:.1} MB, {:.2} s",
            written.path.display(),
            written.rows,
            written.bytes as f64 / 1e6,
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("basalt-datagen: {error}");
            ExitCode::FAILURE
        }
    }
}
