//! Nanoseconds to text. In: nanoseconds. Out: a number of few digits, and a unit.

/// `412 ns`, `84.12 µs`, `734.2 ms`, `1.234 s`: `digits` significant digits above a microsecond,
/// whole nanoseconds below.
pub(crate) fn duration(ns: u64, digits: usize) -> String {
    if ns < 1_000 {
        return format!("{ns} ns");
    }
    let unit = Unit::of(ns, digits);
    let value = ns as f64 / unit.ns;
    format!("{value:.*} {}", unit.decimals(value, digits), unit.name)
}

/// [`duration`] of a difference, which may be negative.
pub(crate) fn signed_duration(ns: i64, digits: usize) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    format!("{sign}{}", duration(ns.unsigned_abs(), digits))
}

/// A part of `whole_ns` as a number without unit, in the unit of the whole: `4.2`, `21`, `<0.1`,
/// `0`.
pub(crate) fn part_of(part_ns: u64, whole_ns: u64) -> String {
    if whole_ns < 1_000 || part_ns == 0 {
        return part_ns.to_string();
    }
    let value = part_ns as f64 / Unit::of(whole_ns, PART_DIGITS).ns;
    match value {
        _ if value < 0.05 => "<0.1".to_owned(),
        _ if value < 9.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// The digits with which the whole of [`part_of`] is printed, so that both have one unit.
pub(crate) const PART_DIGITS: usize = 3;

/// A number with its thousands grouped: `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

struct Unit {
    name: &'static str,
    ns: f64,
}

impl Unit {
    /// The first unit in which `ns`, rounded to `digits`, has few digits before the point: 999.96
    /// µs is 1.000 ms. The longest time, 213,504 days, fits a column.
    fn of(ns: u64, digits: usize) -> Self {
        let units = [
            ("µs", 1e3, 1e3),
            ("ms", 1e6, 1e3),
            ("s", 1e9, 1e4),
            ("h", 3.6e12, 1e4),
        ];
        let fits = |(_, unit_ns, limit): &&(&str, f64, f64)| {
            let value = ns as f64 / unit_ns;
            let precision = 10f64.powi(if value < 1e3 {
                digits.saturating_sub(3) as i32
            } else {
                0
            });
            (value * precision).round() / precision < *limit
        };
        let unit = units.iter().find(fits).map(|(name, ns, _)| (*name, *ns));
        let (name, ns) = unit.unwrap_or(("d", 8.64e13));
        Self { name, ns }
    }

    fn decimals(&self, value: f64, digits: usize) -> usize {
        let limits = [(9.9995, 1), (99.995, 2), (999.95, 3)];
        let before_point = limits.iter().find(|(limit, _)| value < *limit);
        before_point.map_or(0, |(_, n)| digits.saturating_sub(*n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_digits_and_a_unit() {
        let check = |ns: i64, expected: &str| assert_eq!(signed_duration(ns, 4), expected);
        check(0, "0 ns");
        check(999, "999 ns");
        check(1_000, "1.000 µs");
        check(84_120, "84.12 µs");
        check(99_999, "100.0 µs");
        check(999_960, "1.000 ms");
        check(734_213_000, "734.2 ms");
        check(999_949_999, "999.9 ms");
        check(999_950_000, "1.000 s");
        check(61_000_000_000, "61.00 s");
        check(-1_500, "-1.500 µs");
        check(9_999_400_000_000, "9999 s");
        check(9_999_600_000_000, "2.778 h");
        check(i64::MIN, "-106752 d");
        assert_eq!(duration(84_120, 3), "84.1 µs");
        assert_eq!(duration(999_500, 3), "1.00 ms");
        assert_eq!(duration(u64::MAX, 4), "213504 d");
    }

    #[test]
    fn parts_have_the_unit_of_the_whole() {
        let check =
            |part: u64, whole: u64, expected: &str| assert_eq!(part_of(part, whole), expected);
        check(4_200, 84_000, "4.2");
        check(21_400, 84_000, "21");
        check(40, 84_000, "<0.1");
        check(0, 84_000, "0");
        check(400, 900, "400");
        check(84_000, 2_000_000, "0.1");
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
    }
}
