//! The kernel's table of journeys under way. Removes journeys that will never end.
//!
//! A packet can leave the hooks' sight: to a socket in another cgroup, off the machine, into a
//! driver. Its journey is reported as expired, so that it is a visible loss and does not fill the
//! table.

use aya::maps::{Array, IterableMap as _, Map, MapData};
use tracer_common::{
    RecordKind,
    journey::{HEADER_BYTES, Journey, MAX_JOURNEYS},
    stamp::Stamp,
};

use super::{MapError, keys::Keys, map_value::MapValue, occupancy::Occupancy, typed};

/// No packet is under way on a node for so long.
const EXPIRY_NS: u64 = 5_000_000_000;

/// The table of journeys under way.
pub struct JourneyTable {
    keys: Keys<MAX_JOURNEYS>,
    journeys: Array<MapData, MapValue<Journey>>,
    expired: u64,
    occupancy: Occupancy,
}

impl JourneyTable {
    /// The names of the programs' maps: the keys of the table, and its values.
    pub const MAPS: [&str; 2] = ["JOURNEY_KEYS", "JOURNEYS"];

    /// The table in these maps.
    ///
    /// # Errors
    ///
    /// If they are not the table of journeys.
    pub fn new([keys, journeys]: [Option<Map>; 2]) -> Result<Self, MapError> {
        let [keys_name, journeys_name] = Self::MAPS;
        let keys: Array<MapData, [u64; MAX_JOURNEYS]> = typed(keys, keys_name)?;
        Ok(Self {
            keys: Keys::map(keys.map()).map_err(|error| MapError::of(keys_name, error))?,
            journeys: typed(journeys, journeys_name)?,
            expired: 0,
            occupancy: Occupancy {
                entries: 0,
                max_entries: MAX_JOURNEYS as u64,
            },
        })
    }

    /// Journeys removed so far.
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// How full the table was at the end of the last [`Self::expire`].
    pub fn occupancy(&self) -> Occupancy {
        self.occupancy
    }

    /// Journeys in the table now.
    pub fn under_way(&self) -> u64 {
        self.keys.taken().count() as u64
    }

    /// Removes journeys that began more than five seconds before `now_ns`, and passes their records
    /// to `take`.
    pub fn expire(&mut self, now_ns: u64, take: impl FnMut(&[u8])) {
        self.expire_before(now_ns.saturating_sub(EXPIRY_NS), take);
    }

    /// Removes all journeys. For the end: the programs are detached, and no journey will end any
    /// more.
    pub fn expire_all(&mut self, take: impl FnMut(&[u8])) {
        self.expire_before(u64::MAX, take);
    }

    fn expire_before(&mut self, before_ns: u64, mut take: impl FnMut(&[u8])) {
        let mut entries = 0;
        for (slot, skb) in self.keys.taken() {
            if let Some(journey) = self.remove(slot, skb, before_ns) {
                self.expired += 1;
                take(used_bytes(&journey));
            } else {
                entries += 1;
            }
        }
        self.occupancy.entries = entries;
    }

    /// Removes the journey in a slot if it began before `before_ns`.
    ///
    /// The kernel copies a value while programs may write it, so that a copy can have fields of two
    /// journeys. The first copy only selects. The second is made once no program can find the
    /// journey; only a hook that has found it before may still write to it.
    fn remove(&self, slot: u32, skb: u64, before_ns: u64) -> Option<Journey> {
        let is_old = |value: &MapValue<Journey>| value.0.start_ns < before_ns;
        self.journeys.get(&slot, 0).ok().filter(is_old)?;
        // `None` if the journey has ended meanwhile.
        let claimed = self.keys.claim(slot, skb)?;
        let Some(MapValue(journey)) = self.journeys.get(&slot, 0).ok().filter(is_old) else {
            // Another packet at the same address has opened a journey meanwhile.
            claimed.keep(skb);
            return None;
        };
        Some(journey)
    }
}

/// The record as a hook would have sent it. Its `end` is still zero, which is `Expired`.
fn used_bytes(journey: &Journey) -> &[u8] {
    debug_assert_eq!(journey.kind, RecordKind::Journey as u32);
    let stamps = usize::from(journey.stamp_count).min(journey.stamps.len());
    let bytes = HEADER_BYTES + stamps * size_of::<Stamp>();
    // SAFETY: `bytes` is at most the size of the record, which has no padding.
    unsafe { std::slice::from_raw_parts((&raw const *journey).cast::<u8>(), bytes) }
}
