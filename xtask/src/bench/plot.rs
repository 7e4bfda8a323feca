//! A plot of lines with logarithmic axes. In: points. Out: SVG, legible on a light and a dark
//! background, without scripts and fonts of its own.

/// One line: a name and its points, from left to right.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// The words of the axes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axes<'a> {
    pub(super) title: &'a str,
    pub(super) x: &'a str,
    pub(super) y: &'a str,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
/// The edges of the area between the axes.
const LEFT: f64 = 70.0;
const RIGHT: f64 = WIDTH - 110.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = HEIGHT - 52.0;
/// Blue and orange, which differ for all kinds of colour vision, for each background.
const COLOURS: [(&str, &str); 2] = [("#0b61a4", "#6cb6ff"), ("#b35900", "#ffb070")];

/// The range of one axis, in whole powers of ten.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    from: i32,
    to: i32,
}

impl Scale {
    /// The range of these values, which must be positive.
    fn of(values: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let least = values.clone().min_by(f64::total_cmp)?;
        let most = values.max_by(f64::total_cmp)?;
        if !(least > 0.0 && most.is_finite()) {
            return None;
        }
        let from = least.log10().floor() as i32;
        let to = (most.log10().ceil() as i32).max(from + 1);
        Some(Self { from, to })
    }

    /// From 0 at the low end to 1 at the high one.
    fn share(self, value: f64) -> f64 {
        (value.log10() - f64::from(self.from)) / f64::from(self.to - self.from)
    }

    fn ticks(self) -> impl Iterator<Item = f64> {
        (self.from..=self.to).map(|power| 10_f64.powi(power))
    }
}

/// Draws the lines. `None` where there is nothing to draw.
pub(super) fn svg(axes: &Axes<'_>, lines: &[Line]) -> Option<String> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let x = Scale::of(points().map(|point| point.0))?;
    let y = Scale::of(points().map(|point| point.1))?;
    let at_x = |value: f64| LEFT + x.share(value) * (RIGHT - LEFT);
    let at_y = |value: f64| BOTTOM - y.share(value) * (BOTTOM - TOP);
    let mut svg = head(axes);
    for tick in x.ticks() {
        let (x, label, label_y) = (at_x(tick), number(tick), BOTTOM + 18.0);
        svg += &format!(
            r#"<line class="grid" x1="{x:.1}" y1="{TOP}" x2="{x:.1}" y2="{BOTTOM}"/><text x="{x:.1}" y="{label_y:.1}" text-anchor="middle">{label}</text>
"#
        );
    }
    for tick in y.ticks() {
        let (y, label, label_x) = (at_y(tick), number(tick), LEFT - 8.0);
        let label_y = y + 4.0;
        svg += &format!(
            r#"<line class="grid" x1="{LEFT}" y1="{y:.1}" x2="{RIGHT:.1}" y2="{y:.1}"/><text x="{label_x:.1}" y="{label_y:.1}" text-anchor="end">{label}</text>
"#
        );
    }
    for (index, line) in lines.iter().enumerate() {
        let points = line.points.iter().map(|(x, y)| (at_x(*x), at_y(*y)));
        svg += &draw(
            index % COLOURS.len(),
            &line.name,
            &points.collect::<Vec<_>>(),
        );
    }
    Some(svg + "</svg>\n")
}

fn head(axes: &Axes<'_>) -> String {
    let [title, x, y] = [axes.title, axes.x, axes.y].map(escape);
    let (middle_x, middle_y) = ((LEFT + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0);
    let x_y = HEIGHT - 12.0;
    let styles = |colour: fn(&(&'static str, &'static str)) -> &'static str| -> String {
        let colours = COLOURS.iter().map(colour).enumerate();
        let style = |(index, colour)| {
            format!(
                ".s{index} {{ stroke: {colour}; }} .f{index} {{ fill: {colour}; stroke: none; }}\n"
            )
        };
        colours.map(style).collect()
    };
    let (light, dark) = (styles(|colours| colours.0), styles(|colours| colours.1));
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
<text x="{middle_x}" y="{x_y:.1}" text-anchor="middle">{x}</text>
<text transform="translate(18 {middle_y}) rotate(-90)" text-anchor="middle">{y}</text>
"##
    )
}

/// A line with its points and, behind the last, its name.
fn draw(colour: usize, name: &str, points: &[(f64, f64)]) -> String {
    let path = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}"));
    let path = path.collect::<Vec<_>>().join(" ");
    let mut svg = format!("<polyline class=\"line s{colour}\" points=\"{path}\"/>\n");
    for (x, y) in points {
        svg += &format!("<circle class=\"f{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>\n");
    }
    if let Some((x, y)) = points.last() {
        let (x, y, name) = (x + 10.0, y + 4.0, escape(name));
        svg += &format!("<text class=\"f{colour}\" x=\"{x:.1}\" y=\"{y:.1}\">{name}</text>\n");
    }
    svg
}

/// A power of ten, with a comma between thousands.
fn number(value: f64) -> String {
    if value < 1.0 {
        return value.to_string();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
