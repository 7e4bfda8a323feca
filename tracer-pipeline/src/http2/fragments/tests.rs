//! Frames in all possible fragments: split at any byte, retransmitted, cut, with gaps.

use proptest::prelude::*;

use super::*;
use crate::http2::wire::{self, Captured, capture};

const SEQ: u32 = u32::MAX - 20;

/// The results of joining fragments: a frame as `seq stream payload [cut]`, `gap` or `again`.
fn lines(mut fragments: FrameAssembler, captured: &[Captured]) -> Vec<String> {
    let mut lines = Vec::new();
    for piece in captured {
        fragments.push(&piece.fragment(), |piece| lines.push(line(&piece)));
        assert!(fragments.heap_bytes() <= FRAME_MAX_BYTES);
    }
    lines
}

fn line(piece: &Assembled<'_>) -> String {
    match piece {
        Assembled::Frame(frame) | Assembled::Abandoned(frame) => {
            let whole = frame.payload.len() == frame.header.payload_bytes as usize;
            let at = frame.seq.wrapping_sub(SEQ);
            let cut = if whole { "" } else { " cut" };
            format!(
                "{at} {} {}{cut}",
                frame.header.stream,
                frame.payload.escape_ascii()
            )
        }
        Assembled::Gap => "gap".to_owned(),
        Assembled::Repeated => "again".to_owned(),
    }
}

/// Two blocks, one of two frames, with a DATA frame between them that is not captured.
fn sample() -> (Vec<u8>, [&'static str; 3]) {
    let bytes = [
        wire::headers(0, 1, b"abc"),
        wire::continuation(4, 1, b"def"),
        wire::frame(0, 0, 1, b"body"),
        wire::headers(5, 3, b"ghi"),
    ];
    (bytes.concat(), ["0 1 abc", "12 1 def", "37 3 ghi"])
}

fn captured(bytes: &[u8], ends: &[usize]) -> Vec<Captured> {
    capture(Direction::ToServer, SEQ, bytes, ends)
}

/// Split at any one or two bytes, the frames are the same, also across the wrap of the sequence
/// number.
#[test]
fn frames_are_joined_wherever_they_are_split() {
    let (bytes, expected) = sample();
    for first in 0..bytes.len() {
        for second in first..bytes.len() {
            let pieces = captured(&bytes, &[first, second]);
            assert_eq!(
                lines(FrameAssembler::default(), &pieces),
                expected,
                "{first} {second}"
            );
        }
    }
    let every_byte: Vec<usize> = (0..bytes.len()).collect();
    let pieces = captured(&bytes, &every_byte);
    assert_eq!(lines(FrameAssembler::default(), &pieces), expected);
}

/// Successive frames may be in one fragment.
#[test]
fn one_fragment_may_hold_several_frames() {
    let (bytes, expected) = sample();
    let mut pieces = captured(&bytes, &[]);
    let second = pieces.remove(1);
    pieces[0].bytes.extend(second.bytes);
    assert_eq!(lines(FrameAssembler::default(), &pieces), expected);
}

/// Retransmitted segments, alone or joined with later bytes, change nothing.
#[test]
fn retransmissions_are_ignored() {
    let (bytes, expected) = sample();
    let pieces = captured(&bytes, &[5, 15]);
    for nth in 0..pieces.len() {
        let mut twice = pieces.clone();
        twice.insert(nth + 1, pieces[nth].clone());
        let seen = lines(FrameAssembler::default(), &twice);
        let (again, fresh): (Vec<_>, Vec<_>) = seen.iter().partition(|line| *line == "again");
        assert_eq!(again.len(), 1, "{nth}");
        assert_eq!(fresh, expected, "{nth}");
    }
    // The first five bytes were sent alone, then again with the rest.
    let mut longer = captured(&bytes, &[]);
    longer.insert(0, captured(&bytes, &[5])[0].clone());
    assert_eq!(lines(FrameAssembler::default(), &longer), expected);
}

/// A missing fragment is a gap, whether `lost_before` announces it or not. Every frame is one that
/// was sent, or the start of one.
#[test]
fn a_lost_fragment_is_a_gap() {
    let (bytes, expected) = sample();
    let pieces = captured(&bytes, &[5, 10, 15, 40]);
    for nth in 0..pieces.len() {
        for announced in [true, false] {
            let mut left = pieces.clone();
            left.remove(nth);
            if let Some(next) = left.get_mut(nth) {
                next.lost_before = announced;
            }
            let seen = lines(FrameAssembler::default(), &left);
            let frames: Vec<_> = seen.iter().filter(|line| *line != "gap").collect();
            for frame in &frames {
                let is_start = |whole: &&str| whole.starts_with(frame.trim_end_matches(" cut"));
                assert!(expected.iter().any(is_start), "{frame} without {nth}");
            }
            let last = nth + 1 == pieces.len();
            let gaps = seen.len() - frames.len();
            assert_eq!(
                gaps,
                usize::from(!last),
                "{seen:?} without {nth}, announced: {announced}"
            );
        }
    }
}

/// Retransmitted bytes of a frame whose start is missing do not start a frame.
#[test]
fn a_retransmission_after_a_gap_starts_no_frame() {
    let (bytes, _) = sample();
    let mut pieces = captured(&bytes, &[3, 6]);
    pieces.remove(0);
    let mut longer = captured(&bytes, &[3, 9])[1].clone();
    longer.starts_frame = false;
    pieces.insert(1, longer);
    assert_eq!(
        lines(FrameAssembler::from_the_middle(), &pieces),
        ["12 1 def", "37 3 ghi"]
    );
}

/// A cut frame is yielded at once, and its rest is no gap.
#[test]
fn a_cut_frame_is_yielded_at_its_cut() {
    let (bytes, _) = sample();
    let mut pieces = captured(&bytes, &[10]);
    pieces[0].cut = true;
    assert_eq!(
        lines(FrameAssembler::default(), &pieces),
        ["0 1 a cut", "again", "12 1 def", "37 3 ghi"]
    );
    // Here not even the header is complete.
    let mut pieces = captured(&bytes, &[5]);
    pieces[0].cut = true;
    pieces.truncate(1);
    assert_eq!(lines(FrameAssembler::default(), &pieces), ["gap"]);
}

/// Of DATA that ends a stream the header is captured, alone or behind the frames before it.
#[test]
fn data_that_ends_a_stream_is_a_frame_without_payload() {
    let bytes = [
        wire::headers(4, 1, b"abc"),
        wire::frame(0, 1, 1, b"body"),
        wire::headers(4, 3, b"def"),
        wire::frame(0, 1, 3, b""),
    ]
    .concat();
    let expected = ["0 1 abc", "12 1  cut", "25 3 def", "37 3 "];
    let pieces = captured(&bytes, &[]);
    assert_eq!(lines(FrameAssembler::default(), &pieces), expected);
    let piece = |from: usize, to: usize, cut| Captured {
        seq: SEQ.wrapping_add(from as u32),
        cut,
        bytes: bytes[from..to].to_vec(),
        ..pieces[0].clone()
    };
    let joined = [piece(0, 12 + 9, true), piece(25, 37 + 9, false)];
    assert_eq!(lines(FrameAssembler::default(), &joined), expected);
    for first in 1..12 + 9 {
        let rest = Captured {
            starts_frame: first == 12,
            ..piece(first, 12 + 9, true)
        };
        let split = [piece(0, first, false), rest];
        let seen = lines(FrameAssembler::default(), &split);
        assert_eq!(seen, expected[..2], "split at {first}");
    }
}

/// A fragment without bytes only reports a loss.
#[test]
fn an_empty_fragment_is_a_gap() {
    let (bytes, expected) = sample();
    let pieces = captured(&bytes, &[]);
    for at in 1..pieces.len() {
        let mut reported = pieces.clone();
        let loss = Captured {
            starts_frame: false,
            lost_before: true,
            bytes: Vec::new(),
            ..reported[at].clone()
        };
        reported.insert(at, loss);
        reported[at + 1].lost_before = true;
        let mut with_gap = expected.to_vec();
        with_gap.insert(at, "gap");
        assert_eq!(lines(FrameAssembler::default(), &reported), with_gap);
        let mut assembler = FrameAssembler::default();
        for (nth, piece) in reported.iter().enumerate() {
            assembler.push(&piece.fragment(), |_| {});
            assert_eq!(assembler.is_following(), nth != at, "{nth}");
        }
    }
}

/// Started at any fragment in the middle of a connection: there is no gap before the first frame,
/// and all frames from there on are yielded.
#[test]
fn a_start_in_the_middle_is_no_gap() {
    let (bytes, expected) = sample();
    let pieces = captured(&bytes, &[5, 10, 15, 40]);
    for from in 0..pieces.len() {
        let left = &pieces[from..];
        let seen = lines(FrameAssembler::from_the_middle(), left);
        let starts = left.iter().filter(|piece| piece.starts_frame).count();
        assert_eq!(seen, expected[expected.len() - starts..], "from {from}");
        // `lost_before` on the first fragment makes no gap either.
        let mut announced = left.to_vec();
        announced[0].lost_before = true;
        assert_eq!(
            lines(FrameAssembler::from_the_middle(), &announced),
            seen,
            "from {from}"
        );
    }
}

/// A frame header that announces 16 MiB reserves no memory, and the stored bytes are bounded.
#[test]
fn a_long_frame_takes_no_more_than_the_bound() {
    let mut fragments = FrameAssembler::default();
    let mut seq = 0_u32;
    let mut push = |bytes: &[u8], starts_frame| {
        let fragment = FrameFragment {
            direction: Direction::ToServer,
            seq,
            starts_frame,
            cut: false,
            lost_before: false,
            bytes,
        };
        seq = seq.wrapping_add(bytes.len() as u32);
        let mut kept = None;
        fragments.push(&fragment, |piece| {
            if let Assembled::Frame(frame) | Assembled::Abandoned(frame) = piece {
                kept = Some(frame.payload.len());
            }
        });
        assert!(fragments.heap_bytes() <= FRAME_MAX_BYTES);
        (kept, fragments.heap_bytes())
    };
    let (_, heap_bytes) = push(&[0xff, 0xff, 0xff, 1, 4, 0, 0, 0, 1, b'x'], true);
    assert!(heap_bytes < 64, "{heap_bytes}");
    let segment = vec![b'x'; 65_535];
    for _ in 0..256 {
        push(&segment, false);
    }
    let (kept, heap_bytes) = push(&[b'x'; 254], false);
    assert_eq!((kept, heap_bytes), (Some(FRAME_MAX_BYTES - 9), 0));
}

proptest! {
    /// The frames are the same for any division into segments.
    #[test]
    fn any_segments_give_the_same_frames(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..8),
        mut ends in prop::collection::vec(0..1600_usize, 0..20),
    ) {
        ends.sort_unstable();
        let bytes: Vec<u8> = payloads.iter().flat_map(|payload| wire::headers(4, 1, payload)).collect();
        let seen = lines(FrameAssembler::default(), &captured(&bytes, &ends));
        let whole = lines(FrameAssembler::default(), &captured(&bytes, &[]));
        prop_assert_eq!(whole.len(), payloads.len());
        prop_assert_eq!(seen, whole);
    }
}
