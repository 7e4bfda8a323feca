//! The queue against a model: a list.

use proptest::prelude::*;

use super::{super::reference::bare_span, *};

#[derive(Clone, Debug)]
enum Step {
    Push {
        pair: u64,
        spans: usize,
        text: usize,
    },
    TakeOldest,
    DropOfHeaviest,
    GiveBack,
}

fn step() -> impl Strategy<Value = Step> {
    let push = (0..5_u64, 1..6_usize, 0..3_000_usize).prop_map(|(pair, spans, text)| Step::Push {
        pair,
        spans,
        text,
    });
    prop_oneof![
        6 => push,
        2 => Just(Step::TakeOldest),
        2 => Just(Step::DropOfHeaviest),
        1 => Just(Step::GiveBack),
    ]
}

fn spans(count: usize, text: usize) -> Vec<Span> {
    let mut span = bare_span();
    span.name = "a".repeat(text).into();
    vec![span; count]
}

/// What waits, the oldest first.
type Model = Vec<(Pair, Size)>;

fn total(sizes: impl Iterator<Item = Size>) -> Size {
    let mut total = Size::default();
    sizes.for_each(|size| total.add(size));
    total
}

/// Drops the oldest exchange of the pair that holds most; its others move up.
fn drop_of_heaviest(model: &mut Model) -> Option<(Pair, Size)> {
    let places = |pair: Pair| {
        let places = model.iter().enumerate();
        places.filter_map(move |(place, (of, _))| (*of == pair).then_some(place))
    };
    let weight = |pair: Pair| total(places(pair).map(|place| model[place].1)).weight();
    let most = model.iter().map(|(pair, _)| weight(*pair)).max()?;
    let heaviest = model.iter().find(|(pair, _)| weight(*pair) == most)?.0;
    let places: Vec<usize> = places(heaviest).collect();
    let dropped = model[places[0]];
    for neighbours in places.windows(2) {
        model[neighbours[0]] = model[neighbours[1]];
    }
    model.remove(*places.last()?);
    Some(dropped)
}

proptest! {
    #[test]
    fn it_is_a_list_of_which_the_heaviest_pair_gives_way(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let (mut queue, mut model) = (FairQueue::default(), Model::new());
        let (mut batch, mut model_batch) = (Vec::new(), Model::new());
        for step in steps {
            match step {
                Step::Push { pair, spans: count, text } => {
                    let spans = spans(count, text);
                    model.push((Pair(pair), Size::of(&spans)));
                    queue.push(Pair(pair), spans);
                }
                Step::TakeOldest => {
                    batch.extend(queue.take_oldest());
                    model_batch.extend((!model.is_empty()).then(|| model.remove(0)));
                }
                Step::DropOfHeaviest => {
                    let dropped = queue.drop_of_heaviest();
                    let dropped = dropped.map(|exchange| (exchange.pair, exchange.size));
                    prop_assert_eq!(dropped, drop_of_heaviest(&mut model));
                }
                Step::GiveBack => {
                    queue.give_back(std::mem::take(&mut batch));
                    model.splice(0..0, std::mem::take(&mut model_batch));
                }
            }
            let exchanges = batch.iter().map(|taken: &Taken| &taken.exchange);
            let taken: Model = exchanges.map(|taken| (taken.pair, taken.size)).collect();
            prop_assert_eq!(&taken, &model_batch);
            prop_assert_eq!(queue.len(), model.len());
            prop_assert_eq!(queue.size, total(model.iter().map(|(_, size)| *size)));
            prop_assert_eq!(queue.oldest(), model.first().map(|(_, size)| *size));
            prop_assert_eq!(queue.by_place.len(), queue.pairs.len());
            prop_assert_eq!(queue.by_weight.len(), queue.pairs.len());
        }
    }
}

#[test]
fn a_hundred_thousand_pairs_give_way_in_the_order_of_their_arrival() {
    const PAIRS: usize = 100_000;
    let mut queue = FairQueue::default();
    for pair in 0..PAIRS {
        queue.push(Pair(pair as u64), spans(1, 1));
    }
    assert!(queue.bytes() > PAIRS * (PAIR_BYTES + size_of::<Span>()));
    let order = std::iter::from_fn(|| queue.drop_of_heaviest());
    assert!(order.map(|exchange| exchange.pair.0).eq(0..PAIRS as u64));
    assert_eq!((queue.len(), queue.spans(), queue.bytes()), (0, 0, 0));
}

#[test]
fn a_pair_keeps_no_memory_of_what_it_held() {
    let mut queue = FairQueue::default();
    for _ in 0..1_000 {
        queue.push(Pair(1), Vec::new());
    }
    while queue.len() > 1 {
        queue.take_oldest();
    }
    let held = &queue.pairs[&Pair(1)];
    let capacities = [held.exchanges.capacity(), held.places.capacity()];
    assert!(capacities.iter().all(|room| *room < 10), "{capacities:?}");
}
