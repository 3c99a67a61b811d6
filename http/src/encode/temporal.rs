//! Dates and instants as text, written digit by digit: formatting machinery would cost more than the rest
//! of a cell.

use chrono::{DateTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

pub use basalt_engine::types::interval::write as interval;

const DAY_MICROS: i64 = 86_400_000_000;

/// Appends `YYYY-MM-DD` of a day number (0 = 1970-01-01).
pub fn date(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil(days);
    if (0..=9999).contains(&year) {
        let year = year as u64;
        two(out, year / 100);
        two(out, year % 100);
    } else {
        if year < 0 {
            out.push(b'-');
        }
        out.extend_from_slice(format!("{:04}", year.unsigned_abs()).as_bytes());
    }
    out.push(b'-');
    two(out, month);
    out.push(b'-');
    two(out, day);
}

/// Year, month and day of a day number in the proleptic Gregorian calendar: eras of 400 years that begin in March.
fn civil(days: i64) -> (i64, u64, u64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u64, day as u64)
}

/// Instants shown in one time zone. Remembers for which stretch of time the last offset holds only in the simplest
/// form (the same 15 minutes): rows next to each other are mostly close in time.
#[derive(Debug)]
pub struct Zone {
    tz: Tz,
    utc: bool,
    cached: std::cell::Cell<(i64, i64)>,
}

const QUARTER_MICROS: i64 = 900_000_000;
/// From here on (March 1973) every zone changes its offset on a quarter of an hour of UTC only.
const QUARTERS_SINCE_MICROS: i64 = 100_000_000_000_000;

impl Zone {
    pub fn new(tz: Tz) -> Self {
        let utc = matches!(tz, Tz::UTC | Tz::Etc__UTC);
        Self { tz, utc, cached: std::cell::Cell::new((i64::MIN, 0)) }
    }

    /// Appends `YYYY-MM-DD HH:MM:SS.ffffff`.
    pub fn instant(&self, out: &mut Vec<u8>, micros: i64) {
        let local = micros.saturating_add(self.offset_micros(micros));
        date(out, local.div_euclid(DAY_MICROS));
        out.push(b' ');
        time(out, local.rem_euclid(DAY_MICROS) as u64);
    }

    fn offset_micros(&self, micros: i64) -> i64 {
        if self.utc {
            return 0;
        }
        if micros < QUARTERS_SINCE_MICROS {
            return self.look_up(micros);
        }
        let quarter = micros.div_euclid(QUARTER_MICROS);
        let (known, offset) = self.cached.get();
        if known == quarter {
            return offset;
        }
        let offset = self.look_up(micros);
        self.cached.set((quarter, offset));
        offset
    }

    fn look_up(&self, micros: i64) -> i64 {
        let utc: Option<NaiveDateTime> = DateTime::from_timestamp_micros(micros).map(|t| t.naive_utc());
        let seconds = utc.map_or(0, |utc| self.tz.offset_from_utc_datetime(&utc).fix().local_minus_utc());
        i64::from(seconds) * 1_000_000
    }
}

/// Appends `HH:MM:SS.ffffff` of microseconds within a day.
pub fn time(out: &mut Vec<u8>, micros: u64) {
    let seconds = micros / 1_000_000;
    two(out, seconds / 3600);
    out.push(b':');
    two(out, seconds / 60 % 60);
    out.push(b':');
    two(out, seconds % 60);
    out.push(b'.');
    let fraction = micros % 1_000_000;
    two(out, fraction / 10_000);
    two(out, fraction / 100 % 100);
    two(out, fraction % 100);
}

/// Appends `YYYY-MM-DD HH:MM:SS.ffffff +HHMM` of an instant and an offset in seconds east.
pub fn instant_at(out: &mut Vec<u8>, micros: i64, offset: i32) {
    let local = micros.saturating_add(i64::from(offset) * 1_000_000);
    date(out, local.div_euclid(DAY_MICROS));
    out.push(b' ');
    time(out, local.rem_euclid(DAY_MICROS) as u64);
    out.extend_from_slice(if offset < 0 { b" -" } else { b" +" });
    let minutes = u64::from(offset.unsigned_abs()) / 60;
    two(out, minutes / 60);
    two(out, minutes % 60);
}

fn two(out: &mut Vec<u8>, n: u64) {
    out.push(b'0' + (n / 10 % 10) as u8);
    out.push(b'0' + (n % 10) as u8);
}
