//! A comparison to a table. In: a comparison and a style. Out: per service edge a line of medians,
//! of many calls a line of 99th percentiles, and a line of maxima. The edge's name is in a column of its own where there is room, else on a
//! line above.

use super::glyphs::Charset;
use super::line::{Ink, Line};
use super::style::Style;
use crate::compare::{Comparison, EdgeTimes};
use crate::distribution::Distribution;
use crate::duration::{count, signed_duration};
use crate::text::{shorten_middle, width};

/// Prints the comparison; one line when there were no calls.
pub fn table(comparison: &Comparison, style: Style) -> Vec<Line> {
    let charset = style.charset;
    let traces = match comparison.traces {
        1 => "1 trace".to_owned(),
        n => format!("{} traces", count(n as u64)),
    };
    if comparison.edges.is_empty() {
        return vec![Line::of(
            Ink::Faint,
            format!("no calls between services in {traces}"),
        )];
    }
    let title = format!("application time beside data-plane time, over {traces}");
    let mut lines = vec![Line::of(Ink::Strong, title)];
    let lead = Lead::of(comparison, style);
    lines.extend(header(&lead));
    for edge in &comparison.edges {
        lines.extend(rows(edge, &lead, charset));
    }
    lines.extend(notes(comparison, charset));
    lines.extend(explanations(comparison, style));
    lines
        .into_iter()
        .map(|line| line.cut_to(style.width(), charset))
        .collect()
}

/// The name of a set of traces above its table.
pub(crate) fn heading(name: &str, style: Style) -> Line {
    Line::of(Ink::Strong, name).cut_to(style.width(), style.charset)
}

/// One column of times.
struct Column {
    title: [&'static str; 2],
    cells: usize,
    value: fn(&EdgeTimes) -> Option<Distribution>,
    print: fn(i64) -> String,
}

/// Application and data plane side by side, then the parts of the data plane. With their blanks and
/// [`STATISTIC`] they fill 80 cells.
const COLUMNS: [Column; 9] = [
    time_column(["client", "span"], 8, |e| e.client_span),
    time_column(["app", "(server)"], 9, |e| e.server_span),
    time_column(["data", "plane"], 8, |e| e.data_plane),
    Column {
        title: ["share", ""],
        cells: 7,
        value: |e| e.share_ppm,
        print: percent,
    },
    time_column(["client", "rest"], 9, |e| e.client),
    time_column(["connect", ""], 8, |e| e.connect),
    time_column(["request", "path"], 8, |e| e.request),
    time_column(["socket", "queue"], 8, |e| e.socket_queue),
    time_column(["response", "path"], 9, |e| e.response),
];

const fn time_column(
    title: [&'static str; 2],
    cells: usize,
    value: fn(&EdgeTimes) -> Option<Distribution>,
) -> Column {
    Column {
        title,
        cells,
        value,
        print: time,
    }
}

/// A number of a distribution, with its name.
type Statistic = (&'static str, fn(Distribution) -> i64);

const STATISTICS: [Statistic; 3] = [
    ("median", |all| all.median),
    ("p99", |all| all.p99),
    ("max", |all| all.max),
];

/// Cells of the column with `median` and `max`.
const STATISTIC: usize = 6;

/// The columns before the columns of times.
struct Lead {
    /// Cells of the column with the edge's name; 0 where the name has a line of its own.
    edge: usize,
    /// Blanks added to each column, where there is room.
    air: usize,
    /// The columns of times: all, or on lines of fewer than 80 cells the first that fit.
    columns: &'static [Column],
}

impl Lead {
    const CALLS: usize = 1 + "10,000,000".len();
    const OPENED: usize = 1 + "connected".len();

    fn of(comparison: &Comparison, style: Style) -> Self {
        let names = comparison
            .edges
            .iter()
            .map(|edge| width(&edge_name(edge, style.charset)));
        let edge = names.max().unwrap_or(0).clamp("service edge".len(), 48);
        let times = |air: usize| {
            COLUMNS
                .iter()
                .map(|column| column.cells + air)
                .sum::<usize>()
        };
        let lead = edge + Self::CALLS + Self::OPENED + 2 + STATISTIC;
        let air = [2, 1]
            .into_iter()
            .find(|&air| lead + times(air) <= style.width());
        match air {
            Some(air) => Self {
                edge,
                air,
                columns: &COLUMNS,
            },
            None => Self {
                edge: 0,
                air: usize::from(STATISTIC + times(1) <= style.width()),
                columns: fitting(style.width() - STATISTIC),
            },
        }
    }
}

fn fitting(cells: usize) -> &'static [Column] {
    let mut used = 0;
    let fits = |column: &&Column| {
        used += column.cells;
        used <= cells
    };
    &COLUMNS[..COLUMNS.iter().take_while(fits).count()]
}

fn header(lead: &Lead) -> [Line; 2] {
    [0, 1].map(|row| {
        let mut line = Line::default();
        if lead.edge > 0 {
            line.push(Ink::Faint, ["", "service edge"][row]);
            line.push_right(Ink::Faint, ["", "calls"][row], lead.edge + Lead::CALLS);
            line.push_right(
                Ink::Faint,
                ["", "connected"][row],
                lead.edge + Lead::CALLS + Lead::OPENED,
            );
        }
        let mut end = columns_start(lead);
        for column in lead.columns {
            end += column.cells + lead.air;
            // A title of one word is on the lower line, next to the numbers.
            let [upper, lower] = column.title;
            let title = if lower.is_empty() {
                ["", upper][row]
            } else {
                [upper, lower][row]
            };
            line.push_right(Ink::Faint, title, end);
        }
        line
    })
}

fn columns_start(lead: &Lead) -> usize {
    match lead.edge {
        0 => STATISTIC,
        edge => edge + Lead::CALLS + Lead::OPENED + 2 + STATISTIC,
    }
}

fn rows(edge: &EdgeTimes, lead: &Lead, charset: Charset) -> Vec<Line> {
    let name = edge_name(edge, charset);
    let calls = count(edge.calls as u64);
    // It is not known whether calls without an exchange opened a connection.
    let connected = (edge.unseen < edge.calls).then(|| count(edge.connected as u64));
    let mut lines = Vec::new();
    let mut first = Line::default();
    if lead.edge > 0 {
        first.push(
            Ink::Strong,
            shorten_middle(&name, lead.edge, charset.ellipsis()),
        );
        first.push_right(Ink::Plain, &calls, lead.edge + Lead::CALLS);
        first.push_right(
            Ink::Plain,
            connected.as_deref().unwrap_or("-"),
            lead.edge + Lead::CALLS + Lead::OPENED,
        );
        first.pad_to(columns_start(lead) - STATISTIC);
    } else {
        let calls = format!("{calls} {}", if edge.calls == 1 { "call" } else { "calls" });
        let seen = connected.map_or_else(
            || "none seen by hopspan".to_owned(),
            |connected| format!("{connected} opened a connection"),
        );
        let mut title = Line::of(Ink::Strong, name);
        title.push(Ink::Plain, format!("  {calls}, {seen}"));
        lines.push(title);
    }
    // Of fewer calls p99 is the maximum.
    let shown = STATISTICS
        .into_iter()
        .filter(|(name, _)| *name != "p99" || edge.calls > 100);
    for (name, pick) in shown {
        let mut line = std::mem::take(&mut first);
        line.pad_to(columns_start(lead) - STATISTIC);
        line.push(Ink::Plain, name);
        let mut end = columns_start(lead);
        for column in lead.columns {
            end += column.cells + lead.air;
            let text = (column.value)(edge)
                .map_or_else(|| "-".to_owned(), |spread| (column.print)(pick(spread)));
            line.push_right(Ink::Plain, &charset.text(&text), end);
        }
        lines.push(line);
    }
    lines
}

fn edge_name(edge: &EdgeTimes, charset: Charset) -> String {
    charset
        .text(&format!("{} → {}", edge.edge.client, edge.edge.server))
        .into_owned()
}

fn time(ns: i64) -> String {
    signed_duration(ns, 3)
}

fn percent(ppm: i64) -> String {
    match ppm {
        0 => "0 %".to_owned(),
        ..100 => "<0.01 %".to_owned(),
        _ if ppm < 99_950 => format!("{:.2} %", ppm as f64 / 1e4),
        _ => format!("{:.1} %", ppm as f64 / 1e4),
    }
}

/// Calls that are missing from the numbers.
fn notes(comparison: &Comparison, charset: Charset) -> Vec<Line> {
    let mut lines = Vec::new();
    for edge in &comparison.edges {
        let name = edge_name(edge, charset);
        let calls = count(edge.calls as u64);
        if edge.unseen > 0 {
            let unseen = count(edge.unseen as u64);
            lines.push(Line::of(
                Ink::Faint,
                format!("{name}: no exchange seen for {unseen} of {calls} calls"),
            ));
        }
        if edge.incomplete > 0 {
            let incomplete = count(edge.incomplete as u64);
            let text = format!(
                "! {name}: a path is missing or not whole in {incomplete} of {calls} calls"
            );
            lines.push(Line::of(Ink::Problem, text));
        }
    }
    lines
}

fn explanations(comparison: &Comparison, style: Style) -> Vec<Line> {
    let parts = [
        "data plane = connect + request path (its socket queue included) + response path",
        "app = server span, the calls it makes included",
        "client rest = client span - app - data plane",
        "medians are per column, those of connect over the calls that opened a connection",
    ];
    let with_body = comparison.edges.iter().any(|edge| edge.body.is_some());
    let body = "response path = to the first byte; the rest of its body comes as the server sends it and is not data-plane time";
    let wrap = |text: &str| wrap(text, style.width());
    parts
        .iter()
        .chain(with_body.then_some(&body))
        .flat_map(|text| wrap(text))
        .map(|text| Line::of(Ink::Faint, text))
        .collect()
}

/// Breaks text into lines between words; each after the first is indented.
pub(super) fn wrap(text: &str, cells: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        if lines[last].is_empty() {
            lines[last].push_str(word);
        } else if width(&lines[last]) + 1 + width(word) <= cells {
            lines[last].push(' ');
            lines[last].push_str(word);
        } else {
            lines.push(format!("  {word}"));
        }
    }
    lines
}
