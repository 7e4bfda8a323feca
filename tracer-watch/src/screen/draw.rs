//! Draws the state: a line about the agent, the table, the detail pane, and a line about the keys.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Modifier, Style, Stylize as _},
    text::{Line, Text},
    widgets::{Block, Clear, Paragraph},
};

use crate::{
    line::{self, Columns},
    text::clean,
};

use super::{
    detail,
    rows::{Row, Sort},
    state::State,
};

const HELP: [(&str, &str); 11] = [
    ("↑ ↓ j k", "select an exchange"),
    ("PgUp PgDn", "a page; in the detail pane, if it is open"),
    ("g G", "first, last; g follows the first again"),
    ("Enter", "the path of the selected exchange, hop by hop"),
    ("s r", "sort by the next column, reverse"),
    ("/", "show only what has a text in its names; Esc ends it"),
    ("Space", "let the screen stand still, or go on"),
    ("c", "remove what has come so far"),
    ("Esc", "close, deselect"),
    ("?", "this help"),
    ("q Ctrl-C", "quit"),
];

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State) {
    let area = frame.area();
    let detail_rows = match state.has_detail {
        // The path is what one looks for there, and it is long.
        true => area.height * 2 / 3,
        false => 0,
    };
    let [top, header, table, pane, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(detail_rows),
        Constraint::Length(1),
    ])
    .areas(area);
    state.page = table.height.into();
    let cells = usize::from(area.width);
    let columns = Columns::of(cells);
    frame.render_widget(Line::from(about(state)), top);
    frame.render_widget(
        Line::from(line::header(columns)).bold().underlined(),
        header,
    );
    let visible = state.visible();
    let selected = state.selected_index(&visible);
    frame.render_widget(rows(&visible, selected, state, columns, table), table);
    if let Some(row) = visible.get(selected).filter(|_| state.has_detail) {
        draw_detail(frame, row, state.detail_scroll, pane);
    }
    frame.render_widget(Line::from(foot(state, visible.len())).dim(), bottom);
    if state.has_help {
        draw_help(frame, area);
    }
}

/// Who is watched, and what is missing.
fn about(state: &State) -> String {
    let mut text = match &state.lost {
        Some(reason) => format!(
            "the agent at {} is gone ({}): it is tried again",
            state.place,
            clean(reason)
        ),
        None => format!("hopspan watch  node {}", clean(&state.hello.node)),
    };
    if state.has_untraced {
        text += ", with untraced";
    }
    if let Some(new) = state.rows.since_pause() {
        text += &format!("  paused, {new} new");
    }
    text += &format!("  {} exchanges", state.rows.seen());
    if state.missed > 0 {
        text += &format!("  {} missed", state.missed);
    }
    if state.left_out > 0 {
        text += &format!("  {} untraced left out", state.left_out);
    }
    if !state.asked.is_empty() {
        text += &format!("  only {}", clean(&state.asked));
    }
    text
}

fn foot(state: &State, visible: usize) -> String {
    if state.is_filtering {
        return format!("/{}_  Enter keeps it, Esc ends it", state.filter);
    }
    let order = match (state.sort, state.is_reversed) {
        (Sort::Time, false) => "newest first".to_owned(),
        (Sort::Time, true) => "oldest first".to_owned(),
        (sort, false) => format!("by {}", sort.name()),
        (sort, true) => format!("by {}, reversed", sort.name()),
    };
    let filter = match &*state.filter {
        "" => String::new(),
        filter => format!("  /{filter}: {visible}"),
    };
    format!("{order}{filter}  ? help  Enter path  s sort  / filter  Space pause  q quit")
}

/// The rows around the selected one.
fn rows(
    visible: &[&Row],
    selected: usize,
    state: &State,
    columns: Columns,
    area: Rect,
) -> Text<'static> {
    let height = usize::from(area.height);
    let first = selected.saturating_sub(height.saturating_sub(1));
    let shown = visible.iter().enumerate().skip(first).take(height);
    let mut lines: Vec<Line<'static>> = shown
        .map(|(index, row)| {
            let is_selected = index == selected && (state.selected.is_some() || state.has_detail);
            let text = line::line(&row.summary, columns);
            let text = format!("{text:<width$}", width = usize::from(area.width));
            Line::styled(text, style(row, is_selected))
        })
        .collect();
    if lines.is_empty() {
        let nothing = match state.rows.seen() {
            0 if state.has_untraced => "no exchange yet",
            0 => "no exchange yet; only those with a sampled trace context (--untraced: all)",
            _ => "nothing has the text of the filter",
        };
        lines.push(Line::from(nothing).dim());
    }
    Text::from(lines)
}

fn style(row: &Row, is_selected: bool) -> Style {
    let style = match row.summary.status {
        _ if row.summary.error.is_some() => Style::new().red(),
        Some(500..) => Style::new().red(),
        Some(400..) => Style::new().yellow(),
        None if row.summary.is_error() => Style::new().red(),
        _ => Style::new(),
    };
    match is_selected {
        true => style.add_modifier(Modifier::REVERSED),
        false => style,
    }
}

fn draw_detail(frame: &mut Frame<'_>, row: &Row, scroll: u16, area: Rect) {
    let block = Block::bordered().title(" path ");
    let inner = block.inner(area);
    let lines = detail::lines(&row.summary, inner.width.into());
    let last = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let scroll = scroll.min(last.saturating_sub(inner.height));
    let below = last.saturating_sub(scroll + inner.height);
    let block = match below {
        0 => block,
        below => block.title_bottom(format!(" {below} more lines: PgDn ")),
    };
    frame.render_widget(Paragraph::new(lines).block(block).scroll((scroll, 0)), area);
}

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let lines = HELP.map(|(keys, what)| Line::from(format!(" {keys:<10} {what} ")));
    let width = lines.iter().map(Line::width).max().unwrap_or(0);
    let [width, height] = [width, lines.len()].map(|size| u16::try_from(size).unwrap_or(u16::MAX));
    let popup = area.centered(
        Constraint::Length(width + 2),
        Constraint::Length(height + 2),
    );
    frame.render_widget(Clear, popup);
    let block = Block::bordered().title(" keys ");
    frame.render_widget(Paragraph::new(lines.to_vec()).block(block), popup);
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;
    use crate::{
        agent::Update,
        screen::state::tests::{press, state},
    };

    /// The screen as text.
    fn drawn(state: &mut State, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_screen_of_80_cells_has_every_column() {
        let mut state = state(2);
        let text = drawn(&mut state, 80, 6);
        let expected = [
            "hopspan watch  node node-1, with untraced  2 exchanges",
            "TIME     CLIENT   SERVICE  POD    REQUEST       RES   TOTAL  PLANE WORST HOP",
            "22:09:13 frontend customer …abcde GET /customer 200  5.81ms  101µs socke… 30.0µs",
            "22:09:13 frontend customer …abcde GET /customer 200  4.81ms  101µs socke… 30.0µs",
        ];
        for line in expected {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn the_detail_pane_has_the_path() {
        let mut state = state(1);
        press(&mut state, "\n");
        let text = drawn(&mut state, 100, 60);
        for part in [
            "request     GET /customer HTTP/1.1",
            "data plane 101µs (2.1 %)",
            "client      hotrod/frontend-5d9c7b7f6-x2x4k 10.244.1.2:40312",
            "service     hotrod/customer at 10.96.0.11:8081",
            "rule        KUBE-SERVICES > KUBE-SVC-A > KUBE-SEP-B",
            "trace       0af7651916cd43dd8448eb211c80319c",
            "request 60.2µs, begins after 0ns",
            "veth eth0",
            "socket.queue",
            "response 41.0µs, begins after 4.77ms",
            "█",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let small = drawn(&mut state, 80, 24);
        assert!(small.contains("more lines: PgDn"), "{small}");
    }

    #[test]
    fn everything_fits_every_size() {
        for (width, height) in [(1, 1), (3, 4), (20, 5), (60, 12), (300, 100)] {
            let mut state = state(30);
            press(&mut state, "\n?/abc");
            drawn(&mut state, width, height);
        }
    }

    #[test]
    fn it_says_what_is_missing() {
        let mut state = state(0);
        assert!(drawn(&mut state, 100, 8).contains("no exchange yet"));
        state.missed = 7;
        state.update(Update::Lost("it has ended".into()));
        press(&mut state, " ?");
        let text = drawn(&mut state, 140, 20);
        for part in [
            "the agent at 127.0.0.1:9464 is gone (it has ended): it is tried again",
            "7 missed",
            "paused, 0 new",
            "let the screen stand still",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
