//! Many values to a few numbers. In: values of one quantity. Out: their distribution. Pure.

/// How the values of a quantity are distributed. The medians of parts do not add up to the median of
/// their sum; their means do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distribution {
    /// The number of values, at least 1.
    pub values: usize,
    /// The middle value; of an even number the mean of the two middle values.
    pub median: i64,
    /// The smallest value that at least 99 of 100 values do not exceed (nearest rank).
    pub p99: i64,
    /// The largest value.
    pub max: i64,
    /// The sum by the number.
    pub mean: i64,
}

impl Distribution {
    /// `None` without values.
    pub fn of(values: impl Iterator<Item = i64>) -> Option<Self> {
        let mut values: Vec<i64> = values.collect();
        values.sort_unstable();
        let max = *values.last()?;
        let count = values.len();
        let (low, high) = (values[(count - 1) / 2], values[count / 2]);
        let sum: i128 = values.iter().map(|&value| i128::from(value)).sum();
        Some(Self {
            values: count,
            median: low + (high - low) / 2,
            p99: values[(count * 99).div_ceil(100) - 1],
            max,
            mean: (sum / count as i128) as i64,
        })
    }
}

/// Values that are at least `from` and less than `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// The lower bound, 0 or 1, 2 or 5 times a power of ten.
    pub from: u64,
    /// The upper bound.
    pub to: u64,
    /// The number of values.
    pub values: usize,
}

/// Counts values in buckets without a gap, from the smallest value's to the largest's: 0, 1, 2, 5,
/// 10, 20, 50, ….
pub fn histogram(values: impl Iterator<Item = u64>) -> Vec<Bucket> {
    let mut counts: Vec<usize> = Vec::new();
    for value in values {
        let at = bucket(value);
        if counts.len() <= at {
            counts.resize(at + 1, 0);
        }
        counts[at] += 1;
    }
    let first = counts.iter().take_while(|&&count| count == 0).count();
    (first..counts.len())
        .map(|at| Bucket {
            from: lower_bound(at),
            to: lower_bound(at + 1),
            values: counts[at],
        })
        .collect()
}

fn bucket(value: u64) -> usize {
    let Some(exponent) = value.checked_ilog10() else {
        return 0;
    };
    let within = match value / 10u64.pow(exponent) {
        1 => 0,
        2..5 => 1,
        _ => 2,
    };
    1 + exponent as usize * 3 + within
}

fn lower_bound(bucket: usize) -> u64 {
    let Some(at) = bucket.checked_sub(1) else {
        return 0;
    };
    let power = u64::try_from(at / 3)
        .ok()
        .and_then(|exponent| 10u64.checked_pow(exponent as u32));
    power.map_or(u64::MAX, |power| power.saturating_mul([1, 2, 5][at % 3]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_few_values_p99_is_the_largest() {
        let check = |values: &[i64], expected: Option<[i64; 4]>| {
            let found = Distribution::of(values.iter().copied());
            assert_eq!(found.map(|d| [d.median, d.p99, d.max, d.mean]), expected);
        };
        check(&[], None);
        check(&[-3], Some([-3, -3, -3, -3]));
        check(&[4, 1], Some([2, 4, 4, 2]));
        let hundred: Vec<i64> = (1..=100).collect();
        check(&hundred, Some([50, 99, 100, 50]));
        let thousand: Vec<i64> = (1..=1_000).collect();
        check(&thousand, Some([500, 990, 1_000, 500]));
        check(&[i64::MAX, i64::MAX], Some([i64::MAX; 4]));
    }

    #[test]
    fn buckets_have_no_gap() {
        let counts = |values: &[u64]| -> Vec<(u64, u64, usize)> {
            let buckets = histogram(values.iter().copied()).into_iter();
            buckets.map(|b| (b.from, b.to, b.values)).collect()
        };
        assert_eq!(counts(&[]), []);
        assert_eq!(counts(&[0]), [(0, 1, 1)]);
        assert_eq!(
            counts(&[1, 2, 4, 5, 19]),
            [(1, 2, 1), (2, 5, 2), (5, 10, 1), (10, 20, 1)]
        );
        assert_eq!(
            counts(&[3, 21]),
            [(2, 5, 1), (5, 10, 0), (10, 20, 0), (20, 50, 1)]
        );
        let last = counts(&[u64::MAX]);
        assert_eq!(last, [(10_000_000_000_000_000_000, u64::MAX, 1)]);
    }
}
