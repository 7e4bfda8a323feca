//! A thread that reads kube-proxy's rules: at once, when they change, and now and then.

use std::{io, thread, time::Duration};

use tokio::sync::mpsc;

use crate::identity::{iptables, rule_changes::RuleChanges};

/// How often the rules are read though nobody said that they changed.
const PERIOD: Duration = Duration::from_secs(30);

/// Starts the thread; each text that differs from the last comes out of the channel. It holds one:
/// until that is taken, nothing is read. The thread ends with the process.
///
/// # Errors
///
/// When there can be no more threads.
pub(super) fn watch() -> io::Result<mpsc::Receiver<String>> {
    let (sender, texts) = mpsc::channel(1);
    thread::Builder::new()
        .name("rules".into())
        .spawn(move || read(&sender))?;
    Ok(texts)
}

fn read(sender: &mpsc::Sender<String>) {
    let mut changes = listen();
    let mut last = None;
    loop {
        let text = iptables::nat_rules();
        if let Some(text) = text
            && last.as_ref() != Some(&text)
        {
            last = Some(text.clone());
            if sender.blocking_send(text).is_err() {
                return;
            }
        }
        match &changes {
            Some(listening) => {
                if let Err(error) = listening.wait(PERIOD) {
                    late(&error);
                    changes = None;
                }
            }
            None => thread::sleep(PERIOD),
        }
    }
}

fn listen() -> Option<RuleChanges> {
    RuleChanges::listen().inspect_err(late).ok()
}

fn late(error: &io::Error) {
    let seconds = PERIOD.as_secs();
    tracing::warn!("changes of rules are seen up to {seconds} s late: {error}");
}
