//! Who gets which lines.

use super::*;

fn summary() -> Summary<'static> {
    serde_json::from_str(include_str!("testdata/exchange.json")).unwrap()
}

async fn text(watcher: &Watcher) -> String {
    match watcher.next().await {
        Queued::Lines(lines) => String::from_utf8(lines.to_vec()).unwrap(),
        Queued::Missed(missed) => panic!("{missed} missed"),
    }
}

#[tokio::test]
async fn each_watcher_gets_what_it_wants() {
    let watchers = Watchers::default();
    let all = watchers.add(Filter::default()).unwrap();
    let filter = Filter::of_query("service=route&untraced=true").unwrap();
    let other = watchers.add(filter).unwrap();
    assert!(watchers.want_untraced());
    watchers.publish(&summary());
    let route = Summary {
        service: Some("hotrod/route".into()),
        trace_id: None,
        ..summary()
    };
    watchers.publish(&route);
    let line = text(&all).await;
    assert_eq!(line, include_str!("testdata/exchange.json"));
    assert_eq!(
        serde_json::from_str::<Summary<'_>>(&text(&other).await).unwrap(),
        route
    );
    drop(other);
    assert_eq!((watchers.len(), watchers.want_untraced()), (1, false));
    drop(all);
    assert_eq!(watchers.len(), 0);
}

#[test]
fn watchers_are_bounded() {
    let watchers = Watchers::default();
    let mut all: Vec<Watcher> = (0..MAX_WATCHERS)
        .map(|_| watchers.add(Filter::default()).unwrap())
        .collect();
    assert!(watchers.add(Filter::default()).is_none());
    all.pop();
    assert!(watchers.add(Filter::default()).is_some());
}

#[test]
fn exchanges_without_spans_are_limited_by_the_second() {
    let start = Instant::now();
    let mut limit = UntracedLimit::new(start);
    let taken = (0..2 * UNTRACED_PER_SECOND).filter(|_| limit.take(start));
    assert_eq!(taken.count(), UNTRACED_PER_SECOND as usize);
    assert!(limit.take(start + Duration::from_secs(1)));
}
