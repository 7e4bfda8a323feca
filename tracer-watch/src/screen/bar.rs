//! A bar on a scale. In: start, length, and the length of the scale. Out: exactly so many cells.

/// Draws a bar in `cells` cells of a scale of `whole`. The shortest bar is visible.
pub(super) fn bar(start: u64, length: u64, whole: u64, cells: usize) -> String {
    let eighths = cells * 8;
    let step = |at: u64| (at as f64 / whole.max(1) as f64 * eighths as f64).round() as usize;
    let from = step(start).min(eighths.saturating_sub(1));
    let to = step(start.saturating_add(length)).clamp(from + 1, eighths.max(from + 1));
    let cell = |cell: usize| {
        let (left, right) = (cell * 8, cell * 8 + 8);
        let filled = to.min(right).saturating_sub(from.max(left));
        match (filled, from <= left) {
            (0, _) => ' ',
            (8, _) => '█',
            // From the left Unicode has all eighths, from the right a half and one.
            (eighths, true) => ['▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths - 1],
            (4.., false) => '▐',
            (_, false) if to >= right => '▕',
            (_, false) => '│',
        }
    };
    (0..cells).map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_their_place_and_are_visible() {
        assert_eq!(bar(0, 100, 100, 10), "██████████");
        assert_eq!(bar(0, 0, 100, 10), "▏         ");
        assert_eq!(bar(20, 25, 100, 10), "  ██▌     ");
        assert_eq!(bar(100, 0, 100, 10), "         ▕");
        assert_eq!(bar(5, 15, 100, 10), "▐█        ");
        assert_eq!(bar(54, 2, 100, 10), "     │    ");
        for (start, length, whole) in [(0, 0, 0), (u64::MAX, u64::MAX, 0), (9, 2, 5)] {
            let drawn = bar(start, length, whole, 7);
            assert_eq!(drawn.chars().count(), 7);
            assert_ne!(drawn.trim(), "");
            assert_eq!(bar(start, length, whole, 0), "");
        }
    }
}
