//! What the viewer prints while it runs and at its end. In: traces as they become quiet, and the
//! store at the end. Out: text on a writer. Knows no sockets.

use std::io::{self, ErrorKind, Write};

use crate::args::{CharsetChoice, ColorChoice, OutputArgs};
use crate::call_sample::CallSample;
use crate::choose::choose;
use crate::compare::Calls;
use crate::merge::merge;
use crate::render::{Charset, Line, Losses, Style, heading, losses, problems, table, waterfall};
use crate::store::{Store, Trace};
use crate::tree::Tree;
use crate::web::FileSet;

/// The viewer's output.
pub(crate) struct Terminal<W> {
    out: W,
    style: Style,
    color: bool,
    waterfalls: usize,
}

impl<W: Write> Terminal<W> {
    /// `full` prints every span, `waterfalls` is the most at the end.
    pub(crate) fn new(
        args: &OutputArgs,
        full: bool,
        waterfalls: usize,
        out: W,
        is_terminal: bool,
    ) -> Self {
        let width = args
            .width
            .or_else(|| terminal_width(is_terminal))
            .unwrap_or(100);
        let environment = Environment::of_process();
        let style = Style {
            width,
            charset: environment.charset(args.charset),
            full,
        };
        Self {
            out,
            style,
            color: environment.color(args.color, is_terminal),
            waterfalls,
        }
    }

    /// Prints a trace while the viewer runs. False when the output is closed.
    pub(crate) fn live(&mut self, trace: &Trace) -> io::Result<bool> {
        let caption = match trace.was_printed() {
            true => format!("again, late spans: {}", trace.new_spans()),
            false => String::new(),
        };
        let caption = with_refused(caption, trace);
        let spans = merge(&trace.spans);
        let lines = waterfall(trace.id, &Tree::new(&spans), &caption, self.style);
        self.print(&lines)
    }

    /// Prints the traces that were not printed yet, or the chosen few of them, then the comparison
    /// over all, then what was lost. A closed output is no error.
    pub(crate) fn end(&mut self, store: &Store, lost: &Losses) -> io::Result<()> {
        let (mut samples, mut unprinted) = (Vec::new(), Vec::new());
        for trace in store.traces() {
            let spans = merge(&trace.spans);
            let tree = Tree::new(&spans);
            samples.push(CallSample::all(trace.id, &tree));
            if trace.new_spans() > 0 {
                unprinted.push((trace.id, tree.duration_ns()));
            }
        }
        for choice in choose(&unprinted, self.waterfalls) {
            let Some(trace) = store.get(choice.trace) else {
                continue;
            };
            let caption = if unprinted.len() > 1 {
                choice.reason.to_string()
            } else {
                String::new()
            };
            let caption = with_refused(caption, trace);
            let spans = merge(&trace.spans);
            let lines = waterfall(trace.id, &Tree::new(&spans), &caption, self.style);
            if !self.print(&lines)? {
                return Ok(());
            }
        }
        let mut calls = Calls::default();
        samples.iter().for_each(|samples| calls.add(samples));
        let comparison = calls.compare();
        if self.print(&table(&comparison, self.style))? {
            self.print(&losses(lost, self.style))?;
        }
        Ok(())
    }

    /// Prints the comparison of each set, below its name where there are several.
    pub(crate) fn sets(&mut self, sets: &[FileSet]) -> io::Result<()> {
        for set in sets {
            let mut lines = table(&set.compare(), self.style);
            if sets.len() > 1 {
                lines.insert(0, heading(set.name(), self.style));
            }
            lines.extend(problems(set.losses(), self.style));
            if !self.print(&lines)? {
                break;
            }
        }
        Ok(())
    }

    /// Prints lines, and an empty line after them. False when the output is closed.
    fn print(&mut self, lines: &[Line]) -> io::Result<bool> {
        if lines.is_empty() {
            return Ok(true);
        }
        let mut text: String = lines
            .iter()
            .map(|line| line.to_text(self.color) + "\n")
            .collect();
        text.push('\n');
        match self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush())
        {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Adds the number of spans that the trace lost, which the sum at the end does not show by trace.
fn with_refused(caption: String, trace: &Trace) -> String {
    match (trace.refused, caption.as_str()) {
        (0, _) => caption,
        (refused, "") => format!("incomplete, spans refused: {refused}"),
        (refused, caption) => format!("{caption}; incomplete, spans refused: {refused}"),
    }
}

fn terminal_width(is_terminal: bool) -> Option<usize> {
    let size = is_terminal.then(terminal_size::terminal_size)?;
    size.map(|(width, _)| usize::from(width.0))
}

/// The environment variables that colour and character set depend on; empty when not set.
#[derive(Debug, Default)]
struct Environment {
    no_color: String,
    term: String,
    /// LC_ALL, LC_CTYPE, LANG.
    locale: [String; 3],
}

impl Environment {
    fn of_process() -> Self {
        let value = |name| {
            std::env::var_os(name)
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        Self {
            no_color: value("NO_COLOR"),
            term: value("TERM"),
            locale: ["LC_ALL", "LC_CTYPE", "LANG"].map(value),
        }
    }

    /// The option takes precedence over NO_COLOR, and NO_COLOR over the terminal (no-color.org).
    fn color(&self, choice: ColorChoice, is_terminal: bool) -> bool {
        match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && self.no_color.is_empty() && self.term != "dumb",
        }
    }

    /// By the first variable of the locale that is set (POSIX, Base Definitions, section 8.2).
    fn charset(&self, choice: CharsetChoice) -> Charset {
        let locale = self.locale.iter().find(|value| !value.is_empty());
        let locale = locale
            .map(|value| value.to_ascii_lowercase())
            .unwrap_or_default();
        match choice {
            CharsetChoice::Utf8 => Charset::Utf8,
            CharsetChoice::Ascii => Charset::Ascii,
            CharsetChoice::Auto if locale.contains("utf-8") || locale.contains("utf8") => {
                Charset::Utf8
            }
            CharsetChoice::Auto => Charset::Ascii,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_by_option_no_color_and_terminal() {
        let check = |no_color: &str, term: &str, choice, is_terminal, expected| {
            let environment = Environment {
                no_color: no_color.into(),
                term: term.into(),
                ..Environment::default()
            };
            assert_eq!(
                environment.color(choice, is_terminal),
                expected,
                "{environment:?} {choice:?}"
            );
        };
        check("", "xterm", ColorChoice::Auto, true, true);
        check("", "xterm", ColorChoice::Auto, false, false);
        check("1", "xterm", ColorChoice::Auto, true, false);
        check("0", "xterm", ColorChoice::Auto, true, false);
        check("", "dumb", ColorChoice::Auto, true, false);
        check("1", "dumb", ColorChoice::Always, false, true);
        check("", "xterm", ColorChoice::Never, true, false);
    }

    #[test]
    fn the_charset_is_by_option_and_the_first_locale_variable_that_is_set() {
        let check = |locale: [&str; 3], choice, expected| {
            let environment = Environment {
                locale: locale.map(str::to_owned),
                ..Environment::default()
            };
            assert_eq!(
                environment.charset(choice),
                expected,
                "{locale:?} {choice:?}"
            );
        };
        check(["", "", "C.UTF-8"], CharsetChoice::Auto, Charset::Utf8);
        check(["", "de_DE.utf8", "C"], CharsetChoice::Auto, Charset::Utf8);
        check(
            ["C", "de_DE.utf8", "C.UTF-8"],
            CharsetChoice::Auto,
            Charset::Ascii,
        );
        check(["", "", ""], CharsetChoice::Auto, Charset::Ascii);
        check(["", "", ""], CharsetChoice::Utf8, Charset::Utf8);
        check(["C.UTF-8", "", ""], CharsetChoice::Ascii, Charset::Ascii);
    }
}
