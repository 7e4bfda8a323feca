//! A span's bar. In: start and end, the scale, and the number of cells of the scale. Out: exactly
//! that many cells.

use super::glyphs::{Charset, Mark};

/// Start and end of a bar, or of a scale.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// Nanoseconds since the Unix epoch.
    pub(super) start_ns: u64,
    /// Nanoseconds since the Unix epoch.
    pub(super) end_ns: u64,
}

/// Draws `bar` over `scale` with `cells` cells. The shortest bar is visible; a bar outside of the
/// scale is drawn at the nearer end.
pub(super) fn draw(
    bar: Extent,
    scale: Extent,
    cells: usize,
    mark: Mark,
    charset: Charset,
) -> String {
    let pen = Pen::new(mark, charset);
    let last = cells * pen.steps();
    let step = |ns: u64| {
        let whole = scale.end_ns.saturating_sub(scale.start_ns).max(1) as f64;
        let at = (ns.saturating_sub(scale.start_ns) as f64 / whole).min(1.0);
        (at * last as f64).round() as usize
    };
    let from = step(bar.start_ns).min(last.saturating_sub(1));
    let to = step(bar.end_ns).clamp(from + 1, last.max(from + 1));
    (0..cells)
        .map(|cell| {
            let at = cell * pen.steps();
            pen.cell(
                from.max(at).saturating_sub(at),
                to.min(at + pen.steps()).saturating_sub(at),
            )
        })
        .collect()
}

/// The parts that a cell can be divided into.
enum Pen {
    /// Eighths of a block from the left. From the right Unicode has only a half and an eighth
    /// (Block Elements).
    Blocks,
    /// Halves of a heavy line.
    HeavyLine,
    /// Whole cells of one character.
    Whole(char),
}

impl Pen {
    fn new(mark: Mark, charset: Charset) -> Self {
        match (charset, mark) {
            (Charset::Utf8, Mark::Application) => Self::Blocks,
            (Charset::Utf8, Mark::DataPlane) => Self::HeavyLine,
            (_, mark) => Self::Whole(charset.mark(mark).chars().next().unwrap_or('#')),
        }
    }

    fn steps(&self) -> usize {
        match self {
            Self::Blocks => 8,
            Self::HeavyLine => 2,
            Self::Whole(_) => 1,
        }
    }

    /// The cell filled from step `from` to step `to`.
    fn cell(&self, from: usize, to: usize) -> char {
        if from >= to {
            return ' ';
        }
        match self {
            Self::Whole(c) => *c,
            Self::HeavyLine => match (from, to) {
                (0, 1) => '╸',
                (1, _) => '╺',
                _ => '━',
            },
            Self::Blocks if from < 4 && (from == 0 || to < 8) => left_block(to - from),
            Self::Blocks => match to - from {
                6.. => '█',
                3..=5 => '▐',
                _ => '▕',
            },
        }
    }
}

fn left_block(eighths: usize) -> char {
    ['▏', '▎', '▍', '▌', '▋', '▊', '▉']
        .get(eighths.saturating_sub(1))
        .copied()
        .unwrap_or('█')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: u64, to: u64, mark: Mark, charset: Charset, expected: &str) {
        let scale = Extent {
            start_ns: 1_000,
            end_ns: 1_800,
        };
        let bar = Extent {
            start_ns: from,
            end_ns: to,
        };
        assert_eq!(draw(bar, scale, 10, mark, charset), expected);
    }

    #[test]
    fn application_bars_are_drawn_in_eighths() {
        let check =
            |from, to, expected| check(from, to, Mark::Application, Charset::Utf8, expected);
        check(1_000, 1_800, "██████████");
        check(1_000, 1_000, "▏         ");
        check(1_080, 1_250, " ██▏      ");
        check(1_040, 1_160, "▐█        ");
        check(1_800, 1_800, "         ▕");
        check(1_070, 1_080, "▕         ");
        check(1_010, 1_160, "██        ");
    }

    #[test]
    fn data_plane_bars_are_drawn_in_halves_and_hops_in_cells() {
        check(1_000, 1_001, Mark::DataPlane, Charset::Utf8, "╸         ");
        check(1_040, 1_200, Mark::DataPlane, Charset::Utf8, "╺━╸       ");
        check(1_081, 1_159, Mark::Hop, Charset::Utf8, " ░        ");
        check(1_081, 1_210, Mark::Hop, Charset::Ascii, " --       ");
        check(1_000, 1_800, Mark::DataPlane, Charset::Ascii, "==========");
    }

    #[test]
    fn bars_outside_of_the_scale_stay_in_the_column() {
        for charset in [Charset::Utf8, Charset::Ascii] {
            for mark in [Mark::Application, Mark::DataPlane, Mark::Hop] {
                for (start_ns, end_ns) in
                    [(0, 0), (0, u64::MAX), (u64::MAX, 0), (u64::MAX, u64::MAX)]
                {
                    for scale in [
                        Extent {
                            start_ns: 5,
                            end_ns: 5,
                        },
                        Extent {
                            start_ns: 9,
                            end_ns: 2,
                        },
                    ] {
                        let drawn = draw(Extent { start_ns, end_ns }, scale, 7, mark, charset);
                        assert_eq!(drawn.chars().count(), 7);
                        assert_ne!(drawn.trim(), "");
                        assert_eq!(
                            draw(Extent { start_ns, end_ns }, scale, 0, mark, charset),
                            ""
                        );
                    }
                }
            }
        }
    }
}
