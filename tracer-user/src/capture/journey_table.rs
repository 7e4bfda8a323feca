//! Takes journeys that will never end out of the kernel's map.
//!
//! A packet can leave the kernel's sight: to a socket in another cgroup, out of the machine, into a
//! driver. Its journey is sent on as expired, so that it is a visible loss and not a full map.

mod keys;

use aya::maps::{Array, IterableMap as _, Map, MapData};
use tracer_common::{
    RecordKind,
    journey::{HEADER_BYTES, Journey, MAX_JOURNEYS},
    stamp::Stamp,
};

use keys::Keys;

use super::MapError;

/// No packet is under way on a node for this long.
const EXPIRY_NS: u64 = 5_000_000_000;

/// The record as the map holds it. aya wants its own trait on map values.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Stored(Journey);

// SAFETY: `Journey` is integers and arrays; any bytes are a valid value.
unsafe impl aya::Pod for Stored {}

/// The table of journeys under way.
pub struct Sweep {
    keys: Keys,
    journeys: Array<MapData, Stored>,
    expired: u64,
    occupancy: Occupancy,
}

/// How full a map is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Entries in it.
    pub entries: u64,
    /// Entries that it can hold.
    pub max_entries: u64,
}

impl Sweep {
    /// The programs' maps of these names: the keys, and what belongs to each.
    pub const MAPS: [&str; 2] = ["JOURNEY_KEYS", "JOURNEYS"];

    /// Takes the maps.
    ///
    /// # Errors
    ///
    /// When they are not the table of journeys.
    pub fn new([keys, journeys]: [Option<Map>; 2]) -> Result<Self, MapError> {
        let [of_keys, of_journeys] = Self::MAPS;
        let keys = keys.ok_or_else(|| MapError::missing(of_keys))?;
        let keys: Array<MapData, [u64; MAX_JOURNEYS]> = keys
            .try_into()
            .map_err(|error| MapError::of(of_keys, error))?;
        let journeys = journeys.ok_or_else(|| MapError::missing(of_journeys))?;
        Ok(Self {
            keys: Keys::map(keys.map()).map_err(|error| MapError::of(of_keys, error))?,
            journeys: journeys
                .try_into()
                .map_err(|error| MapError::of(of_journeys, error))?,
            expired: 0,
            occupancy: Occupancy {
                entries: 0,
                max_entries: MAX_JOURNEYS as u64,
            },
        })
    }

    /// Journeys taken out so far.
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// How full the map was when it was last swept.
    pub fn occupancy(&self) -> Occupancy {
        self.occupancy
    }

    /// Journeys in the map now.
    pub fn under_way(&self) -> u64 {
        self.keys.taken().count() as u64
    }

    /// Takes out what began more than five seconds before `now_ns`; hands its bytes to `take`.
    pub fn sweep(&mut self, now_ns: u64, take: impl FnMut(&[u8])) {
        self.sweep_before(now_ns.saturating_sub(EXPIRY_NS), take);
    }

    /// Takes out everything: the programs are detached, nothing will end any more.
    pub fn finish(&mut self, take: impl FnMut(&[u8])) {
        self.sweep_before(u64::MAX, take);
    }

    fn sweep_before(&mut self, before_ns: u64, mut take: impl FnMut(&[u8])) {
        let mut entries = 0;
        for (place, skb) in self.keys.taken() {
            if let Some(expired) = self.take_out(place, skb, before_ns) {
                self.expired += 1;
                take(used_bytes(&expired));
            } else {
                entries += 1;
            }
        }
        self.occupancy.entries = entries;
    }

    /// The journey in a place, which is then free, if it began before `before_ns`.
    ///
    /// The kernel copies a value while programs may write it, so that a copy can have fields of two
    /// journeys. The first copy only selects. It is made again once no program can find the journey:
    /// what is then written comes from a hook that found it before.
    fn take_out(&self, place: u32, skb: u64, before_ns: u64) -> Option<Journey> {
        let is_old = |Stored(journey): &Stored| journey.start_ns < before_ns;
        self.journeys.get(&place, 0).ok().filter(is_old)?;
        // If the key has gone meanwhile, the kernel has ended the journey after all.
        let claimed = self.keys.claim(place, skb)?;
        let Some(Stored(journey)) = self.journeys.get(&place, 0).ok().filter(is_old) else {
            // Another packet at the same address has begun a journey.
            claimed.keep(skb);
            return None;
        };
        Some(journey)
    }
}

/// What the kernel would have sent. `end` is still zero, which is `Expired`.
fn used_bytes(journey: &Journey) -> &[u8] {
    debug_assert_eq!(journey.kind, RecordKind::Journey as u32);
    let stamps = usize::from(journey.stamp_count).min(journey.stamps.len());
    let bytes = HEADER_BYTES + stamps * size_of::<Stamp>();
    // SAFETY: `bytes` is at most the size of the record, which has no padding.
    unsafe { std::slice::from_raw_parts((&raw const *journey).cast::<u8>(), bytes) }
}
