//! A plot of lines over a number that grows by orders of magnitude. In: points. Out: SVG, legible on
//! light and dark ground alike, without scripts and fonts of its own.

use std::fmt::Write as _;

/// One line: a name and its points, from left to right.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// What the axes say. Both are logarithmic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axes<'a> {
    pub(super) title: &'a str,
    pub(super) x: &'a str,
    pub(super) y: &'a str,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 52.0;
/// Blue and orange, which stay apart for all kinds of colour vision and on either ground.
const COLOURS: [(&str, &str); 2] = [("#0b61a4", "#6cb6ff"), ("#b35900", "#ffb070")];

/// The range of one axis, in whole powers of ten.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    from: i32,
    to: i32,
}

impl Scale {
    /// Takes in all of these, which are positive.
    fn of(values: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let least = values.clone().min_by(f64::total_cmp)?;
        let most = values.max_by(f64::total_cmp)?;
        if !(least > 0.0 && most.is_finite()) {
            return None;
        }
        let from = least.log10().floor() as i32;
        Some(Self {
            from,
            to: (most.log10().ceil() as i32).max(from + 1),
        })
    }

    /// From 0 at the low end to 1 at the high one.
    fn share(self, value: f64) -> f64 {
        (value.log10() - f64::from(self.from)) / f64::from(self.to - self.from)
    }

    fn ticks(self) -> impl Iterator<Item = f64> {
        (self.from..=self.to).map(|power| 10_f64.powi(power))
    }
}

/// Draws the lines. None where there is nothing to draw.
pub(super) fn svg(axes: &Axes<'_>, lines: &[Line]) -> Option<String> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let x = Scale::of(points().map(|point| point.0))?;
    let y = Scale::of(points().map(|point| point.1))?;
    let at_x = |value: f64| LEFT + x.share(value) * (WIDTH - LEFT - RIGHT);
    let at_y = |value: f64| HEIGHT - BOTTOM - y.share(value) * (HEIGHT - TOP - BOTTOM);
    let mut svg = head(axes);
    for tick in x.ticks() {
        let place = at_x(tick);
        let (top, foot) = (TOP, HEIGHT - BOTTOM);
        let label = number(tick);
        put(
            &mut svg,
            format_args!(
                r#"<line class="grid" x1="{place:.1}" y1="{top}" x2="{place:.1}" y2="{foot}"/><text x="{place:.1}" y="{:.1}" text-anchor="middle">{label}</text>"#,
                foot + 18.0
            ),
        );
    }
    for tick in y.ticks() {
        let place = at_y(tick);
        let label = number(tick);
        put(
            &mut svg,
            format_args!(
                r#"<line class="grid" x1="{LEFT}" y1="{place:.1}" x2="{:.1}" y2="{place:.1}"/><text x="{:.1}" y="{:.1}" text-anchor="end">{label}</text>"#,
                WIDTH - RIGHT,
                LEFT - 8.0,
                place + 4.0
            ),
        );
    }
    for (index, line) in lines.iter().enumerate() {
        draw(&mut svg, index % COLOURS.len(), line, &at_x, &at_y);
    }
    Some(svg + "</svg>\n")
}

fn head(axes: &Axes<'_>) -> String {
    let [title, x, y] = [axes.title, axes.x, axes.y].map(escape);
    let (middle_x, middle_y) = ((WIDTH - RIGHT + LEFT) / 2.0, (HEIGHT - BOTTOM + TOP) / 2.0);
    let mut light = String::new();
    let mut dark = String::new();
    for (index, (on_light, on_dark)) in COLOURS.iter().enumerate() {
        for (style, colour) in [(&mut light, on_light), (&mut dark, on_dark)] {
            put(
                style,
                format_args!(
                    ".s{index} {{ stroke: {colour}; }} .f{index} {{ fill: {colour}; stroke: none; }}"
                ),
            );
        }
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{title}">
<style>
text {{ font: 13px sans-serif; fill: #1f2328; stroke: none; }}
.title {{ font-weight: bold; }}
.grid {{ stroke: #8c959f; stroke-opacity: 0.4; }}
.line {{ fill: none; stroke-width: 2; }}
{light}@media (prefers-color-scheme: dark) {{
text {{ fill: #e6edf3; }}
{dark}}}
</style>
<text class="title" x="{LEFT}" y="24">{title}</text>
<text x="{middle_x}" y="{:.1}" text-anchor="middle">{x}</text>
<text transform="translate(18 {middle_y}) rotate(-90)" text-anchor="middle">{y}</text>
"##,
        HEIGHT - 12.0
    )
}

fn draw(
    svg: &mut String,
    colour: usize,
    line: &Line,
    at_x: &impl Fn(f64) -> f64,
    at_y: &impl Fn(f64) -> f64,
) {
    let places = line.points.iter().map(|(x, y)| (at_x(*x), at_y(*y)));
    let path: Vec<String> = places
        .clone()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    put(
        svg,
        format_args!(
            r#"<polyline class="line s{colour}" points="{}"/>"#,
            path.join(" ")
        ),
    );
    for (x, y) in places.clone() {
        put(
            svg,
            format_args!(r#"<circle class="f{colour}" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#),
        );
    }
    if let Some((x, y)) = places.last() {
        let name = escape(&line.name);
        put(
            svg,
            format_args!(
                r#"<text class="f{colour}" x="{:.1}" y="{:.1}">{name}</text>"#,
                x + 10.0,
                y + 4.0
            ),
        );
    }
}

/// Adds a line of text.
fn put(to: &mut String, line: std::fmt::Arguments<'_>) {
    // A String takes everything.
    let _ = writeln!(to, "{line}");
}

/// A power of ten as people write it.
fn number(value: f64) -> String {
    if value >= 1.0 {
        let digits = format!("{value:.0}");
        let mut text = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        text
    } else {
        value.to_string()
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
