//! The full screen.
//!
//! In: updates from the agent, keys. Out: a table of exchanges on the terminal, which is restored
//! however this ends: after `q`, a signal, an error or a panic.

mod bar;
mod detail;
mod draw;
mod rows;
mod state;

use std::{pin::pin, thread, time::Duration};

use anyhow::Context as _;
use ratatui::crossterm::event::{self, Event as Input};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc::{self, Receiver},
    time::interval,
};

use crate::{agent::Update, args::Args};

use state::{Next, State};

/// How often the screen is drawn while exchanges come: often enough to seem at once.
const DRAW: Duration = Duration::from_millis(100);

/// Shows updates until a key or a signal ends it.
///
/// # Errors
///
/// When the terminal fails.
pub(crate) async fn run(args: &Args, updates: Receiver<Update>) -> anyhow::Result<()> {
    // Its panic hook restores the terminal, too.
    let mut terminal = ratatui::try_init().context("prepare the terminal")?;
    let shown = show(&mut terminal, args, updates).await;
    ratatui::restore();
    shown
}

async fn show(
    terminal: &mut ratatui::DefaultTerminal,
    args: &Args,
    mut updates: Receiver<Update>,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    let mut keys = keys();
    let mut state = State::new(args);
    let mut draw = interval(DRAW);
    let mut is_changed = true;
    loop {
        tokio::select! {
            Some(update) = updates.recv() => {
                state.update(update);
                is_changed = true;
            }
            key = keys.recv() => {
                let Some(input) = key else { return Ok(()) };
                if let Input::Key(key) = input && state.key(key) == Next::End {
                    return Ok(());
                }
                draw_on(terminal, &mut state)?;
                is_changed = false;
            }
            _ = draw.tick(), if is_changed => {
                draw_on(terminal, &mut state)?;
                is_changed = false;
            }
            _ = terminate.recv() => return Ok(()),
            _ = hang_up.recv() => return Ok(()),
            _ = &mut interrupt => return Ok(()),
        }
    }
}

fn draw_on(terminal: &mut ratatui::DefaultTerminal, state: &mut State) -> anyhow::Result<()> {
    terminal
        .draw(|frame| draw::draw(frame, state))
        .context("draw")?;
    Ok(())
}

/// Keys and changes of size, from a thread that ends with the process: reading blocks.
fn keys() -> Receiver<Input> {
    let (sender, keys) = mpsc::channel(64);
    thread::spawn(move || {
        while let Ok(input) = event::read() {
            if sender.blocking_send(input).is_err() {
                return;
            }
        }
    });
    keys
}
