//! The text of `/metrics`, shared by the clients that ask for it at about the same time.
//!
//! In: the `Status`. Out: text. However often clients ask, it is written a few times a second, and
//! their responses share few copies of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::Mutex;

use crate::run::{
    metrics,
    status::{Numbers, Status},
};

/// How long a text is sent again, unless new numbers are published before.
const MAX_AGE: Duration = Duration::from_millis(500);

/// The last text.
#[derive(Debug, Default)]
pub(super) struct Scrape(Mutex<Option<Written>>);

#[derive(Debug)]
struct Written {
    at: Instant,
    numbers: Arc<Numbers>,
    text: Bytes,
}

impl Scrape {
    /// The current text.
    pub(super) async fn text(&self, status: &Arc<Status>) -> Bytes {
        let mut last = self.0.lock().await;
        let numbers = status.numbers();
        if let Some(written) = &*last
            && Arc::ptr_eq(&written.numbers, &numbers)
            && written.at.elapsed() < MAX_AGE
        {
            return written.text.clone();
        }
        let text = Bytes::from(metrics::render(status));
        *last = Some(Written {
            at: Instant::now(),
            numbers,
            text: text.clone(),
        });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_text_is_shared_until_there_are_new_numbers() {
        let status = Arc::new(Status::new());
        let scrape = Scrape::default();
        let first = scrape.text(&status).await;
        assert_eq!(scrape.text(&status).await.as_ptr(), first.as_ptr());
        status.publish(Numbers {
            expired: 7,
            ..Numbers::default()
        });
        let second = scrape.text(&status).await;
        let expired = "hopspan_journeys_out_of_sight_total{reason=\"expired\"} 7\n";
        assert!(String::from_utf8_lossy(&second).contains(expired));
    }
}
