//! Statistics. In: measurements of one quantity. Out: their median and spread. Knows nothing of
//! what was measured.

/// With fewer measurements there is no verdict about a budget.
pub(super) const FEWEST: u32 = 7;

/// The distribution of measurements, in their unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) count: usize,
    pub(super) min: f64,
    /// The first quartile.
    pub(super) q1: f64,
    pub(super) median: f64,
    /// The third quartile.
    pub(super) q3: f64,
    pub(super) max: f64,
}

impl Spread {
    /// `None` without numbers, and where one of them is not finite.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            count: sorted.len(),
            min: quantile(&sorted, 0.0),
            q1: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            q3: quantile(&sorted, 0.75),
            max: quantile(&sorted, 1.0),
        })
    }
}

/// Between the two nearest of the sorted numbers, in proportion (Hyndman and Fan, definition 7).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = share * (sorted.len() - 1) as f64;
    let (below, above) = (rank.floor(), rank.ceil());
    let at = |rank: f64| sorted[rank as usize];
    at(below) + (at(above) - at(below)) * (rank - below)
}

/// The ratios of pairs, with to without.
pub(super) fn ratios(pairs: &[Pair]) -> Vec<f64> {
    pairs.iter().map(|pair| pair.with / pair.without).collect()
}

/// The measurements without and with, each with their name.
pub(super) fn halves(pairs: &[Pair]) -> [(&'static str, Vec<f64>); 2] {
    [
        ("without", pairs.iter().map(|pair| pair.without).collect()),
        ("with", pairs.iter().map(|pair| pair.with).collect()),
    ]
}

/// One measurement without hopspan or another observer, and the next one with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    pub(super) without: f64,
    pub(super) with: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], [min, q1, median, q3, max]: [f64; 5]) {
        let expected = Spread {
            count: values.len(),
            min,
            q1,
            median,
            q3,
            max,
        };
        assert_eq!(Spread::of(values), Some(expected), "{values:?}");
    }

    #[test]
    fn a_spread_is_independent_of_order() {
        check(&[5.0], [5.0; 5]);
        check(&[2.0, 1.0], [1.0, 1.25, 1.5, 1.75, 2.0]);
        check(
            &[7.0, 1.0, 6.0, 2.0, 5.0, 3.0, 4.0],
            [1.0, 2.5, 4.0, 5.5, 7.0],
        );
        check(&[4.0, 3.0, 2.0, 1.0], [1.0, 1.75, 2.5, 3.25, 4.0]);
        check(&[-1.0, -3.0, -2.0], [-3.0, -2.5, -2.0, -1.5, -1.0]);
    }

    #[test]
    fn no_numbers_have_no_spread() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[1.0, f64::NAN]), None);
        assert_eq!(Spread::of(&[f64::INFINITY]), None);
    }

    #[test]
    fn a_ratio_belongs_to_its_own_pair() {
        let pair = |without, with| Pair { without, with };
        assert_eq!(ratios(&[pair(100.0, 90.0), pair(50.0, 55.0)]), [0.9, 1.1]);
        assert_eq!(Spread::of(&ratios(&[pair(0.0, 1.0)])), None);
        let [without, with] = halves(&[pair(100.0, 90.0), pair(50.0, 55.0)]);
        assert_eq!(without, ("without", vec![100.0, 50.0]));
        assert_eq!(with, ("with", vec![90.0, 55.0]));
    }
}
