//! Units of time by name, as the first or last argument of many functions.

use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Weekday};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};

/// A unit, or a part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Unit {
    Millennium,
    Century,
    Decade,
    Year,
    IsoYear,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    /// Sunday is 0.
    DayOfWeek,
    /// Monday is 1.
    IsoDayOfWeek,
    DayOfYear,
    Epoch,
    YearWeek,
}

impl Unit {
    pub fn parse(name: &str) -> Result<Self> {
        use Unit::*;
        Ok(match name.trim().to_ascii_lowercase().as_str() {
            "millennium" | "millennia" => Millennium,
            "century" | "centuries" => Century,
            "decade" | "decades" => Decade,
            "year" | "years" | "y" | "yy" | "yyyy" | "yyy" | "yr" | "syear" | "syyyy" => Year,
            "isoyear" | "iyyy" | "iy" | "i" => IsoYear,
            "quarter" | "quarters" | "q" | "qtr" => Quarter,
            "month" | "months" | "mon" | "mm" | "rm" => Month,
            "week" | "weeks" | "w" | "wk" | "iw" | "ww" | "weekofyear" => Week,
            "day" | "days" | "d" | "dd" | "ddd" | "j" => Day,
            "hour" | "hours" | "h" | "hh" | "hh12" | "hh24" => Hour,
            "minute" | "minutes" | "mi" | "min" | "m" => Minute,
            "second" | "seconds" | "s" | "ss" | "sec" => Second,
            "millisecond" | "milliseconds" | "ms" => Millisecond,
            "microsecond" | "microseconds" | "us" => Microsecond,
            "dow" | "dayofweek" => DayOfWeek,
            "isodow" => IsoDayOfWeek,
            "doy" | "dayofyear" => DayOfYear,
            "epoch" => Epoch,
            "yearweek" => YearWeek,
            _ => return Err(exec_datafusion_err!("`{name}` is not a unit of time")),
        })
    }

    /// Whether the unit is made of whole days.
    pub fn is_of_days(self) -> bool {
        use Unit::*;
        !matches!(self, Hour | Minute | Second | Millisecond | Microsecond | Epoch)
    }

    /// Length in microseconds, of those that have one.
    fn length(self) -> Option<i64> {
        Some(match self {
            Unit::Week => 7 * 86_400_000_000,
            Unit::Day | Unit::DayOfWeek | Unit::IsoDayOfWeek | Unit::DayOfYear => 86_400_000_000,
            Unit::Hour => 3_600_000_000,
            Unit::Minute => 60_000_000,
            Unit::Second | Unit::Epoch => 1_000_000,
            Unit::Millisecond => 1_000,
            Unit::Microsecond => 1,
            _ => return None,
        })
    }

    /// Length in months, of those that have one.
    fn months(self) -> Option<i64> {
        Some(match self {
            Unit::Millennium => 12_000,
            Unit::Century => 1_200,
            Unit::Decade => 120,
            Unit::Year | Unit::IsoYear => 12,
            Unit::Quarter => 3,
            Unit::Month => 1,
            _ => return None,
        })
    }

    /// The time `n` units later; the 31st becomes the last of a shorter month.
    pub fn add(self, time: NaiveDateTime, n: i64) -> Result<NaiveDateTime> {
        let wrong = || exec_datafusion_err!("{time} and {n} {self:?}s are out of range");
        if let Some(months) = self.months() {
            let months = months.checked_mul(n).ok_or_else(wrong)?;
            let count = Months::new(u32::try_from(months.unsigned_abs()).map_err(|_| wrong())?);
            let moved = if months < 0 { time.checked_sub_months(count) } else { time.checked_add_months(count) };
            return moved.ok_or_else(wrong);
        }
        let length = self.length().ok_or_else(|| self.unfit("added"))?;
        let moved = time.checked_add_signed(TimeDelta::microseconds(length.checked_mul(n).ok_or_else(wrong)?));
        moved.ok_or_else(wrong)
    }

    /// The start of the unit that a time is in. Weeks start on Monday.
    pub fn start(self, time: NaiveDateTime) -> Result<NaiveDateTime> {
        let date = time.date();
        let at = |date: Option<NaiveDate>| {
            date.and_then(|d| d.and_hms_opt(0, 0, 0)).ok_or_else(|| exec_datafusion_err!("{time} is out of range"))
        };
        let year = date.year();
        match self {
            Unit::Millennium => at(NaiveDate::from_ymd_opt((year - 1).div_euclid(1000) * 1000 + 1, 1, 1)),
            Unit::Century => at(NaiveDate::from_ymd_opt((year - 1).div_euclid(100) * 100 + 1, 1, 1)),
            Unit::Decade => at(NaiveDate::from_ymd_opt(year.div_euclid(10) * 10, 1, 1)),
            Unit::Year => at(NaiveDate::from_ymd_opt(year, 1, 1)),
            Unit::IsoYear => at(NaiveDate::from_isoywd_opt(date.iso_week().year(), 1, Weekday::Mon)),
            Unit::Quarter => at(NaiveDate::from_ymd_opt(year, date.month0() / 3 * 3 + 1, 1)),
            Unit::Month => at(date.with_day(1)),
            Unit::Week => at(date.checked_sub_days(Days::new(u64::from(date.weekday().num_days_from_monday())))),
            Unit::Day => at(Some(date)),
            Unit::DayOfWeek | Unit::IsoDayOfWeek | Unit::DayOfYear | Unit::Epoch | Unit::YearWeek => {
                Err(self.unfit("truncated to"))
            }
            Unit::Hour | Unit::Minute | Unit::Second | Unit::Millisecond | Unit::Microsecond => {
                let length = self.length().ok_or_else(|| self.unfit("truncated to"))?;
                let into = time.and_utc().timestamp_micros().rem_euclid(length);
                let nanos = i64::from(time.nanosecond() % 1_000);
                Ok(time - TimeDelta::microseconds(into) - TimeDelta::nanoseconds(nanos))
            }
        }
    }

    /// Which unit a time is in, counted from somewhere: differences are the boundaries between two times.
    pub fn index(self, time: NaiveDateTime) -> Result<i64> {
        let (year, month) = (i64::from(time.year()), i64::from(time.month0()));
        let days = i64::from(time.num_days_from_ce());
        Ok(match self {
            Unit::Millennium => (year - 1).div_euclid(1000),
            Unit::Century => (year - 1).div_euclid(100),
            Unit::Decade => year.div_euclid(10),
            Unit::Year => year,
            Unit::IsoYear => i64::from(time.iso_week().year()),
            Unit::Quarter => year * 4 + month / 3,
            Unit::Month => year * 12 + month,
            // Day 1 of the common era was a Monday.
            Unit::Week | Unit::YearWeek => (days - 1).div_euclid(7),
            Unit::Day | Unit::DayOfWeek | Unit::IsoDayOfWeek | Unit::DayOfYear => days,
            Unit::Hour | Unit::Minute | Unit::Second | Unit::Millisecond | Unit::Microsecond | Unit::Epoch => {
                let length = self.length().ok_or_else(|| self.unfit("counted"))?;
                time.and_utc().timestamp_micros().div_euclid(length)
            }
        })
    }

    /// How many whole units lie between two times.
    pub fn between(self, from: NaiveDateTime, to: NaiveDateTime) -> Result<i64> {
        if let Some(months) = self.months() {
            let whole = whole_months(from, to);
            return Ok(whole / months);
        }
        let length = match self {
            Unit::YearWeek => Unit::Week.length(),
            other => other.length(),
        };
        Ok((to - from).num_microseconds().unwrap_or(i64::MAX) / length.ok_or_else(|| self.unfit("counted"))?)
    }

    /// What a time shows for this part.
    pub fn part(self, time: NaiveDateTime) -> i64 {
        let year = i64::from(time.year());
        let week = time.iso_week();
        match self {
            Unit::Millennium => (year - 1).div_euclid(1000) + 1,
            Unit::Century => (year - 1).div_euclid(100) + 1,
            Unit::Decade => year.div_euclid(10),
            Unit::Year => year,
            Unit::IsoYear => i64::from(week.year()),
            Unit::Quarter => i64::from(time.month0() / 3 + 1),
            Unit::Month => i64::from(time.month()),
            Unit::Week => i64::from(week.week()),
            Unit::Day => i64::from(time.day()),
            Unit::Hour => i64::from(time.hour()),
            Unit::Minute => i64::from(time.minute()),
            Unit::Second => i64::from(time.second()),
            Unit::Millisecond => i64::from(time.second()) * 1_000 + i64::from(time.nanosecond() / 1_000_000),
            Unit::Microsecond => i64::from(time.second()) * 1_000_000 + i64::from(time.nanosecond() / 1_000),
            Unit::DayOfWeek => i64::from(time.weekday().num_days_from_sunday()),
            Unit::IsoDayOfWeek => i64::from(time.weekday().number_from_monday()),
            Unit::DayOfYear => i64::from(time.ordinal()),
            Unit::Epoch => time.and_utc().timestamp(),
            Unit::YearWeek => i64::from(week.year()) * 100 + i64::from(week.week()),
        }
    }

    fn unfit(self, done: &str) -> DataFusionError {
        exec_datafusion_err!("{self:?} is a part of a time, not a unit that is {done}")
    }
}

/// Months from one time to another, the last only when it is complete.
pub(super) fn whole_months(from: NaiveDateTime, to: NaiveDateTime) -> i64 {
    let months = |time: NaiveDateTime| i64::from(time.year()) * 12 + i64::from(time.month0());
    let apart = months(to) - months(from);
    let (day_from, day_to) = ((from.day(), from.time()), (to.day(), to.time()));
    if apart > 0 && day_to < day_from {
        apart - 1
    } else if apart < 0 && day_to > day_from {
        apart + 1
    } else {
        apart
    }
}

/// A day of the week by its English name or the first letters of it.
pub(super) fn weekday(name: &str) -> Result<Weekday> {
    let name = name.trim();
    let short = name.get(..2).unwrap_or(name).to_ascii_lowercase();
    let found = match short.as_str() {
        "mo" => Some((Weekday::Mon, "monday")),
        "tu" => Some((Weekday::Tue, "tuesday")),
        "we" => Some((Weekday::Wed, "wednesday")),
        "th" => Some((Weekday::Thu, "thursday")),
        "fr" => Some((Weekday::Fri, "friday")),
        "sa" => Some((Weekday::Sat, "saturday")),
        "su" => Some((Weekday::Sun, "sunday")),
        _ => None,
    };
    match found.filter(|(_, whole)| whole.starts_with(&name.to_ascii_lowercase())) {
        Some((day, _)) => Ok(day),
        None => Err(exec_datafusion_err!("`{name}` is not a day of the week")),
    }
}
