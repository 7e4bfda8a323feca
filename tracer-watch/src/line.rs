//! An exchange as one line.
//!
//! In: a summary, and the cells of a line. Out: columns: time, client, service, pod, request, result,
//! total, data plane, and the longest hop or what went wrong. The names share what the numbers leave.

use tracer_pipeline::span::{Summary, SummaryEnd, SummaryHop, SummaryKind};
use unicode_width::UnicodeWidthStr as _;

use crate::text::{clean, cut_end, cut_start, duration, left, right, time_of_day};

/// Cells of the columns with numbers.
const RESULT: usize = 4;
const DURATION: usize = 6;
/// The time, with milliseconds where there is room.
const TIME: usize = 12;
const SHORT_TIME: usize = 8;
const WIDE: usize = 96;
/// `prerouting 12.3µs`.
const WORST: usize = 19;
/// The columns of text, at least: client, service, pod, request.
const NAMES: [usize; 4] = [8, 8, 6, 13];
/// Spaces between the columns.
const GAPS: usize = 8;

/// The width of each column that depends on the width of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    cells: usize,
    time: usize,
    names: [usize; 4],
    worst: usize,
}

impl Columns {
    /// Of a line with so many cells.
    pub(crate) fn of(cells: usize) -> Self {
        let time = if cells < WIDE { SHORT_TIME } else { TIME };
        let numbers = time + RESULT + 2 * DURATION + GAPS;
        let least: usize = NAMES.iter().sum();
        let left = cells.saturating_sub(numbers + least);
        let worst = left.min(WORST);
        // Of what is left, the request gets two parts, and each other name one.
        let part = (left - worst) / 5;
        let [client, service, pod, request] = NAMES;
        Self {
            cells,
            time,
            names: [
                client + part,
                service + part,
                pod + part,
                request + 2 * part,
            ],
            worst: left - 5 * part,
        }
    }
}

/// The columns' names, above the lines.
pub(crate) fn header(columns: Columns) -> String {
    let [client, service, pod, request] = columns.names;
    joined(
        columns,
        [
            left("TIME", columns.time),
            left("CLIENT", client),
            left("SERVICE", service),
            left("POD", pod),
            left("REQUEST", request),
            left("RES", RESULT),
            right("TOTAL", DURATION),
            right("PLANE", DURATION),
            cut_end("WORST HOP", columns.worst),
        ],
    )
}

/// An exchange in these columns.
pub(crate) fn line(summary: &Summary<'_>, columns: Columns) -> String {
    let [client, service, pod, request] = columns.names;
    let plane = summary.data_plane_ns.map_or("-".into(), duration);
    joined(
        columns,
        [
            cut_to(&time_of_day(summary.start_unix_ns), columns.time),
            left(&client_name(summary), client),
            left(&service_name(summary), service),
            left(&cut_start(&server_name(summary), pod), pod),
            left(&self::request(summary), request),
            left(&result(summary), RESULT),
            right(&duration(summary.total_ns), DURATION),
            right(&plane, DURATION),
            remark_in(summary, columns.worst),
        ],
    )
}

fn joined(columns: Columns, parts: [String; 9]) -> String {
    cut_end(parts.join(" ").trim_end(), columns.cells)
}

/// The first `chars` characters.
fn cut_to(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// The client: its workload, else its pod, else its node if it is in no container, else its address.
pub(crate) fn client_name(summary: &Summary<'_>) -> String {
    let end = &summary.client;
    let node = end.node.as_ref().filter(|_| end.container.is_none());
    let name = end.workload.as_ref().or(end.pod.as_ref()).or(node);
    name.map_or_else(|| host(end), |name| clean(name))
}

/// The address without the port, which says little: of a client it is any, and a service has its own.
fn host(end: &SummaryEnd<'_>) -> String {
    let address = end.address.rsplit_once(':');
    clean(address.map_or(&*end.address, |(host, _)| host))
}

/// The service without its namespace; `-` if none is known.
pub(crate) fn service_name(summary: &Summary<'_>) -> String {
    let Some(service) = summary.service.as_deref() else {
        return "-".to_owned();
    };
    let name = service.split_once('/').map_or(service, |(_, name)| name);
    clean(name.split_once(':').map_or(name, |(name, _)| name))
}

/// The pod that was chosen, else its address. Where the names of pods begin as that of their
/// workload, what follows tells them apart.
pub(crate) fn server_name(summary: &Summary<'_>) -> String {
    let SummaryEnd { pod, workload, .. } = &summary.server;
    let Some(pod) = pod.as_deref() else {
        return host(&summary.server);
    };
    let rest = workload.as_deref().and_then(|workload| {
        let rest = pod.strip_prefix(workload)?;
        rest.strip_prefix('-')
    });
    clean(rest.unwrap_or(pod))
}

/// `GET /customer`, `package.Service/Method`, or `connect`.
pub(crate) fn request(summary: &Summary<'_>) -> String {
    if summary.kind == SummaryKind::FailedConnect {
        return "connect".to_owned();
    }
    let method = summary.method.as_deref().unwrap_or("HTTP");
    let path = summary.path.as_deref().unwrap_or_default();
    clean(
        match summary.grpc_status {
            Some(_) => path.trim_start_matches('/').to_owned(),
            None => format!("{method} {path}"),
        }
        .trim(),
    )
}

/// The HTTP status; `g14` is a gRPC status; `-` if none came.
pub(crate) fn result(summary: &Summary<'_>) -> String {
    match (summary.grpc_status, summary.status) {
        (Some(grpc), _) if grpc != 0 => format!("g{grpc}"),
        (_, Some(status)) => status.to_string(),
        _ => "-".to_owned(),
    }
}

/// What went wrong, else the longest hop.
pub(crate) fn remark(summary: &Summary<'_>) -> String {
    if let Some(error) = summary.error.as_deref() {
        return clean(&format!("!{}", error.trim_start_matches("connection_")));
    }
    let unanswered = summary.status.is_none();
    if let Some(drop) = summary.drop.as_ref().filter(|_| unanswered) {
        let reason = drop.reason.as_deref().unwrap_or("dropped");
        return clean(&format!("!{reason}"));
    }
    match summary.worst_hop() {
        Some((_, hop)) => worst(hop),
        None => String::new(),
    }
}

/// The same in a column: of a hop the name is cut, not its duration.
fn remark_in(summary: &Summary<'_>, cells: usize) -> String {
    let remark = remark(summary);
    match remark.rsplit_once(' ').filter(|_| !remark.starts_with('!')) {
        Some((name, duration)) => {
            let room = cells.saturating_sub(duration.width() + 1);
            cut_end(&format!("{} {duration}", cut_end(name, room)), cells)
        }
        None => cut_end(&remark, cells),
    }
}

/// `prerouting 12.3µs`: hooks of netfilter are known by their own names.
fn worst(hop: &SummaryHop<'_>) -> String {
    let name = clean(hop.name.trim_start_matches("netfilter."));
    format!("{name} {}", duration(hop.duration_ns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::exchange;

    #[test]
    fn a_line_fits_and_is_aligned() {
        for cells in [20, 60, 80, 100, 101, 140, 250] {
            let columns = Columns::of(cells);
            let all = [header(columns), line(&exchange(), columns)];
            for text in &all {
                assert!(text.width() <= cells, "{cells}: {text}");
            }
            let Some(at) = all[0].find("TOTAL").filter(|_| cells >= 80) else {
                continue;
            };
            let total: String = all[1].chars().take(at + "TOTAL".len()).collect();
            assert!(total.ends_with("4.81ms"), "{cells}: {total}");
        }
    }

    /// The header and an exchange.
    fn both(cells: usize) -> String {
        let columns = Columns::of(cells);
        [header(columns), line(&exchange(), columns)].join("\n")
    }

    #[test]
    fn eighty_cells_show_everything() {
        assert_eq!(
            both(80),
            "\
TIME     CLIENT   SERVICE  POD    REQUEST       RES   TOTAL  PLANE WORST HOP
22:09:13 frontend customer …abcde GET /customer 200  4.81ms  101µs socke… 30.0µs"
        );
    }

    #[test]
    fn a_hundred_cells_have_room() {
        assert_eq!(
            both(100),
            "\
TIME         CLIENT     SERVICE    POD      REQUEST           RES   TOTAL  PLANE WORST HOP
22:09:13.123 frontend   customer   …7-abcde GET /customer     200  4.81ms  101µs socket.queue 30.0µs"
        );
    }

    #[test]
    fn what_went_wrong_is_in_the_place_of_the_hop() {
        let check = |changed: &Summary<'_>, expected: [&str; 3]| {
            let seen = [request(changed), result(changed), remark(changed)];
            assert_eq!(seen, expected);
        };
        let refused = Summary {
            kind: SummaryKind::FailedConnect,
            error: Some("connection_refused".into()),
            status: None,
            ..exchange()
        };
        check(&refused, ["connect", "-", "!refused"]);
        let grpc = Summary {
            path: Some("/shop.Cart/Add".into()),
            grpc_status: Some(14),
            error: Some("UNAVAILABLE".into()),
            ..exchange()
        };
        check(&grpc, ["shop.Cart/Add", "g14", "!UNAVAILABLE"]);
        let off = Summary {
            path: None,
            ..exchange()
        };
        check(&off, ["GET", "200", "socket.queue 30.0µs"]);
    }

    #[test]
    fn hostile_names_do_not_write_to_the_terminal() {
        let hostile = Summary {
            path: Some("/\u{1b}[2J\u{9b}\n\u{202e}".into()),
            service: Some("a/\u{1b}]0;title\u{7}".into()),
            error: Some("\r\u{1b}c".into()),
            ..exchange()
        };
        let line = line(&hostile, Columns::of(200));
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(!line.contains('\u{202e}'));
    }
}
