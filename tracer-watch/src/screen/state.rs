//! What the screen shows, and what keys do to it. In: updates and keys. Out: the state, for
//! [`draw`](super::draw).

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::{
    agent::Update,
    args::Args,
    event::{Event, Hello},
};

use super::rows::{Row, Rows, Sort};

/// The longest text of the filter line.
const MAX_FILTER_CHARS: usize = 80;

/// Whether the screen goes on after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    End,
}

/// The state of the screen.
#[derive(Debug)]
pub(super) struct State {
    pub(super) place: String,
    /// The filters of the command line.
    pub(super) asked: String,
    /// Exchanges without a sampled trace context are shown, too.
    pub(super) has_untraced: bool,
    pub(super) hello: Hello,
    /// Why the agent is gone, while it is.
    pub(super) lost: Option<String>,
    pub(super) missed: u64,
    pub(super) left_out: u64,
    pub(super) rows: Rows,
    pub(super) sort: Sort,
    pub(super) is_reversed: bool,
    /// The text of the filter line, and whether keys are written there.
    pub(super) filter: String,
    pub(super) is_filtering: bool,
    /// The selected row; none follows the first.
    pub(super) selected: Option<u64>,
    pub(super) has_detail: bool,
    pub(super) detail_scroll: u16,
    pub(super) has_help: bool,
    /// Rows on a page, as drawn last.
    pub(super) page: usize,
}

impl State {
    pub(super) fn new(args: &Args) -> Self {
        Self {
            place: args.agent.to_string(),
            asked: args.filters(),
            has_untraced: args.untraced,
            hello: Hello::default(),
            lost: None,
            missed: 0,
            left_out: 0,
            rows: Rows::default(),
            sort: Sort::default(),
            is_reversed: false,
            filter: String::new(),
            is_filtering: false,
            selected: None,
            has_detail: false,
            detail_scroll: 0,
            has_help: false,
            page: 10,
        }
    }

    /// Takes what comes from the agent.
    pub(super) fn update(&mut self, update: Update) {
        match update {
            Update::Lost(reason) => self.lost = Some(reason),
            Update::Line(event, _) => {
                self.lost = None;
                match event {
                    Event::Hello(hello) => self.hello = hello,
                    Event::Summary(summary) => self.rows.push(summary),
                    Event::Missed(missed) => self.missed += missed,
                    Event::LeftOut(left_out) => self.left_out += left_out,
                    Event::Alive => {}
                }
            }
        }
    }

    /// The visible rows in their order.
    pub(super) fn visible(&self) -> Vec<&Row> {
        self.rows.visible(&self.filter, self.sort, self.is_reversed)
    }

    /// The index of the selected row; the first one, if it is gone.
    pub(super) fn selected_index(&self, visible: &[&Row]) -> usize {
        let index = visible.iter().position(|row| Some(row.id) == self.selected);
        index.unwrap_or(0)
    }

    /// Takes a key.
    pub(super) fn key(&mut self, key: KeyEvent) -> Next {
        if key.kind == KeyEventKind::Release {
            return Next::GoOn;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if is_control => return Next::End,
            _ if self.is_filtering => self.filter_key(key.code),
            KeyCode::Char('q') => return Next::End,
            code => self.command(code),
        }
        Next::GoOn
    }

    fn filter_key(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.is_filtering = false,
            KeyCode::Esc => {
                self.is_filtering = false;
                self.filter.clear();
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if self.filter.chars().count() < MAX_FILTER_CHARS => {
                self.filter.push(c);
            }
            _ => {}
        }
    }

    fn command(&mut self, code: KeyCode) {
        let page = self.page.max(1) as isize;
        match code {
            KeyCode::Char('?') | KeyCode::Char('h') => self.has_help = !self.has_help,
            KeyCode::Esc => self.escape(),
            KeyCode::Enter => {
                self.has_detail = !self.has_detail;
                self.detail_scroll = 0;
                self.step(0);
            }
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('r') => self.is_reversed = !self.is_reversed,
            KeyCode::Char('/') => self.is_filtering = true,
            KeyCode::Char(' ') | KeyCode::Char('p') => self.rows.pause(),
            KeyCode::Char('c') => {
                self.rows.clear();
                self.selected = None;
            }
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::PageDown if self.has_detail => self.detail_scroll += 5,
            KeyCode::PageUp if self.has_detail => {
                self.detail_scroll = self.detail_scroll.saturating_sub(5);
            }
            KeyCode::PageDown => self.step(page),
            KeyCode::PageUp => self.step(-page),
            KeyCode::Home | KeyCode::Char('g') => self.selected = None,
            KeyCode::End | KeyCode::Char('G') => self.step(isize::MAX),
            _ => {}
        }
    }

    /// Closes what is open, the last first.
    fn escape(&mut self) {
        if self.has_help {
            self.has_help = false;
        } else if self.has_detail {
            self.has_detail = false;
        } else if !self.filter.is_empty() {
            self.filter.clear();
        } else {
            self.selected = None;
        }
    }

    /// Selects the row so many below.
    fn step(&mut self, by: isize) {
        let visible = self.visible();
        let last = visible.len().saturating_sub(1);
        let at = self.selected_index(&visible).saturating_add_signed(by);
        let selected = visible.get(at.min(last)).map(|row| row.id);
        if selected != self.selected {
            self.detail_scroll = 0;
        }
        self.selected = selected;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{args::tests::parse, event::exchange};

    /// A screen with some exchanges.
    pub(in super::super) fn state(rows: u64) -> State {
        let mut state = State::new(&parse("--untraced").unwrap());
        state.hello.node = "node-1".into();
        for total in 0..rows {
            let mut summary = exchange();
            summary.total_ns += total * 1_000_000;
            let event = Event::Summary(Box::new(summary));
            state.update(Update::Line(event, bytes::Bytes::new()));
        }
        state
    }

    pub(in super::super) fn press(state: &mut State, keys: &str) {
        for key in keys.chars() {
            let code = match key {
                '\n' => KeyCode::Enter,
                '\u{1b}' => KeyCode::Esc,
                '↓' => KeyCode::Down,
                '↑' => KeyCode::Up,
                key => KeyCode::Char(key),
            };
            assert_eq!(state.key(code.into()), Next::GoOn, "{key:?}");
        }
    }

    #[test]
    fn the_selection_stays_on_its_exchange() {
        let mut state = state(5);
        assert_eq!(state.selected, None);
        press(&mut state, "↓↓");
        assert_eq!(state.selected, Some(2), "of 4, 3, 2, 1, 0");
        state.update(Update::Line(
            Event::Summary(Box::new(exchange())),
            bytes::Bytes::new(),
        ));
        assert_eq!(state.selected_index(&state.visible()), 3);
        press(&mut state, "r");
        assert_eq!(state.selected_index(&state.visible()), 2);
        press(&mut state, "G↓↓");
        assert_eq!(state.selected, Some(5));
        press(&mut state, "g");
        assert_eq!(state.selected, None);
    }

    #[test]
    fn the_filter_line_takes_all_keys() {
        let mut state = state(1);
        press(&mut state, "/q?s");
        assert_eq!((&*state.filter, state.has_help), ("q?s", false));
        press(&mut state, "\n");
        assert!(!state.is_filtering);
        press(&mut state, "\u{1b}");
        assert_eq!(state.filter, "");
    }

    #[test]
    fn q_and_control_c_end_it() {
        let mut state = state(1);
        assert_eq!(state.key(KeyCode::Char('q').into()), Next::End);
        let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        state.is_filtering = true;
        assert_eq!(state.key(control), Next::End);
    }

    #[test]
    fn an_agent_that_comes_back_is_there() {
        let mut state = state(1);
        state.update(Update::Lost("it has ended".into()));
        assert!(state.lost.is_some());
        state.update(Update::Line(Event::Missed(3), bytes::Bytes::new()));
        assert_eq!((state.lost, state.missed), (None, 3));
    }
}
