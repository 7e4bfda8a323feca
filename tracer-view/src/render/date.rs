//! Unix time to a date. In: nanoseconds since the epoch. Out: `2026-11-22 08:15:00.123 UTC`. Knows
//! no time zone.

/// UTC, to the millisecond.
pub(crate) fn date(unix_ns: u64) -> String {
    let ms = unix_ns / 1_000_000;
    let (days, in_day) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (
        in_day / 3_600_000,
        in_day / 60_000 % 60,
        in_day / 1_000 % 60,
    );
    format!(
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{:03} UTC",
        in_day % 1_000
    )
}

/// Days since 1970-01-01 to the Gregorian year, month and day. Years are counted from March, so
/// that the leap day is last.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_FROM_MARCH_OF_YEAR_0: u64 = 719_468;
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let days = days + DAYS_FROM_MARCH_OF_YEAR_0;
    let (era, day_of_era) = (days / DAYS_IN_400_YEARS, days % DAYS_IN_400_YEARS);
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_as_date_prints_them() {
        let check =
            |unix_s: u64, expected: &str| assert_eq!(date(unix_s * 1_000_000_000), expected);
        check(0, "1970-01-01 00:00:00.000 UTC");
        check(951_782_400, "2000-02-29 00:00:00.000 UTC");
        check(1_709_251_199, "2024-02-29 23:59:59.000 UTC");
        check(1_795_335_300, "2026-11-22 08:15:00.000 UTC");
        check(4_107_542_400, "2100-03-01 00:00:00.000 UTC");
        assert_eq!(date(u64::MAX), "2554-07-21 23:34:33.709 UTC");
    }
}
