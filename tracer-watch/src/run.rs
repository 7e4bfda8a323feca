//! Runs the stages: lines to standard output, or a full screen.

use std::{
    io::{self, ErrorKind, IsTerminal as _, Write},
    pin::pin,
};

use bytes::Bytes;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc::{Receiver, channel},
};

use crate::{
    agent::{self, Update},
    args::Args,
    event::Event,
    line::{self, Columns},
    screen,
    text::{ascii_json, clean},
};

/// Lines that wait to be printed. What waits longer waits in the agent, which counts what it misses.
const WAITING: usize = 256;
/// The width of lines that go to no terminal.
const CELLS: u16 = 100;

/// Shows exchanges until a signal, the `q` key, the end of the reader, or `--count`.
///
/// # Errors
///
/// When the agent cannot be reached at first, or refuses; and when the terminal fails.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let lines = agent::open(&args).await?;
    let (sender, updates) = channel(WAITING);
    tokio::spawn(agent::follow(lines, args.clone(), sender));
    match is_full_screen(&args) {
        true => screen::run(&args, updates).await,
        false => print(&args, updates).await,
    }
}

fn is_full_screen(args: &Args) -> bool {
    let has_lines = args.plain || args.json || args.count.is_some();
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    !has_lines && !is_dumb && io::stdout().is_terminal() && io::stdin().is_terminal()
}

async fn print(args: &Args, mut updates: Receiver<Update>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    let mut printer = Printer::new(args, io::stdout().lock(), io::stderr());
    loop {
        let update = tokio::select! {
            update = updates.recv() => update,
            _ = terminate.recv() => None,
            _ = &mut interrupt => None,
        };
        let Some(update) = update else { return Ok(()) };
        let mut printed = printer.update(&update);
        while let (Ok(true), Ok(more)) = (&printed, updates.try_recv()) {
            printed = printer.update(&more);
        }
        match printed.and_then(|goes_on| printer.out.flush().map(|()| goes_on)) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            // `head` has read enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Prints what comes; what is no exchange goes to `log`.
struct Printer<'a, O, L> {
    args: &'a Args,
    columns: Columns,
    has_header: bool,
    left: Option<u64>,
    out: O,
    log: L,
}

impl<'a, O: Write, L: Write> Printer<'a, O, L> {
    fn new(args: &'a Args, out: O, log: L) -> Self {
        let terminal = terminal_size::terminal_size().map(|(width, _)| width.0);
        let terminal = terminal.filter(|_| io::stdout().is_terminal());
        let cells = args.width.or(terminal).unwrap_or(CELLS);
        Self {
            args,
            columns: Columns::of(cells.into()),
            has_header: args.json,
            left: args.count,
            out,
            log,
        }
    }

    /// Prints an update. `false` where `--count` are printed.
    fn update(&mut self, update: &Update) -> io::Result<bool> {
        match update {
            Update::Lost(reason) => {
                let reason = clean(reason);
                writeln!(
                    self.log,
                    "hopspan: the agent is gone ({reason}): it is tried again"
                )?;
            }
            Update::Line(Event::Hello(hello), _) => {
                let (node, version) = (clean(&hello.node), clean(&hello.version));
                writeln!(self.log, "hopspan: watching node {node}, hopspan {version}")?;
            }
            Update::Line(Event::Alive, _) => {}
            Update::Line(Event::Missed(missed), line) => match self.args.json {
                true => self.json(line)?,
                false => writeln!(
                    self.out,
                    "({missed} exchanges are left out here: they came faster than they were read)"
                )?,
            },
            Update::Line(Event::LeftOut(left_out), line) => match self.args.json {
                true => self.json(line)?,
                false => writeln!(
                    self.out,
                    "({left_out} exchanges without a sampled trace context are left out: more than 500 a second)"
                )?,
            },
            Update::Line(Event::Summary(summary), json) => {
                if self.args.json {
                    self.json(json)?;
                } else {
                    if !std::mem::replace(&mut self.has_header, true) {
                        writeln!(self.out, "{}", line::header(self.columns))?;
                    }
                    writeln!(self.out, "{}", line::line(summary, self.columns))?;
                }
                self.left = self.left.map(|left| left.saturating_sub(1));
            }
        }
        Ok(self.left != Some(0))
    }

    fn json(&mut self, line: &Bytes) -> io::Result<()> {
        writeln!(self.out, "{}", ascii_json(&String::from_utf8_lossy(line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        args::tests::parse,
        event::{EXCHANGE, exchange},
    };

    fn printed(line: &str, updates: &[Update]) -> [String; 2] {
        let args = parse(line).unwrap();
        let mut printer = Printer::new(&args, Vec::new(), Vec::new());
        for update in updates {
            if !printer.update(update).unwrap() {
                break;
            }
        }
        [printer.out, printer.log].map(|bytes| String::from_utf8(bytes).unwrap())
    }

    fn updates() -> Vec<Update> {
        let line = || Bytes::from(EXCHANGE.trim_end());
        let missed = r#"{"kind":"missed","exchanges":7}"#;
        vec![
            Update::Line(Event::Summary(Box::new(exchange())), line()),
            Update::Line(Event::Missed(7), missed.into()),
            Update::Lost("it has ended".into()),
            Update::Line(Event::Summary(Box::new(exchange())), line()),
        ]
    }

    #[test]
    fn lines_have_one_header_and_say_what_is_missing() {
        let [out, log] = printed("--width 100", &updates());
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 4, "{out}");
        assert!(lines[0].starts_with("TIME"));
        assert!(lines[2].starts_with("(7 exchanges are left out here"));
        assert_eq!(lines[1], lines[3]);
        assert_eq!(
            log,
            "hopspan: the agent is gone (it has ended): it is tried again\n"
        );
    }

    #[test]
    fn json_is_what_the_agent_sends() {
        let [out, _] = printed("--json", &updates());
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[0], EXCHANGE.trim_end());
        assert_eq!(lines[1], r#"{"kind":"missed","exchanges":7}"#);
    }

    #[test]
    fn it_ends_after_a_number() {
        let [out, _] = printed("--count 1", &updates());
        assert_eq!(out.lines().count(), 2, "{out}");
    }
}
