//! How full the programs' maps are.
//!
//! In: the hash maps of the programs, and the keys of sockets. Out: their entries. Counting reads whole
//! maps, a few milliseconds for full ones: the caller does it rarely, and not in the agent's loop.

use aya::maps::{Array, IterableMap as _, Map, MapData};
use tracer_common::keys::MAX_SOCKETS;

use super::{MapError, keys::Keys, map_batch::HashMapEntries, occupancy::Occupancy, typed};

/// The maps.
pub struct EntryCounts {
    hash_maps: Vec<(String, HashMapEntries)>,
    sockets: Keys<MAX_SOCKETS>,
}

impl EntryCounts {
    /// The name of the programs' map of the sockets' keys.
    pub const SOCKET_KEYS: &str = "SOCKET_KEYS";

    /// The counts of these hash maps, by their names, and of the sockets in this map of keys. A hash map
    /// that the kernel does not describe is left out.
    ///
    /// # Errors
    ///
    /// If the map is not the one of the sockets.
    pub fn new(
        hash_maps: Vec<(String, MapData)>,
        socket_keys: Option<Map>,
    ) -> Result<Self, MapError> {
        let name = Self::SOCKET_KEYS;
        let keys: Array<MapData, [u64; MAX_SOCKETS]> = typed(socket_keys, name)?;
        let sockets = Keys::map(keys.map()).map_err(|error| MapError::of(name, error))?;
        let hash_maps = hash_maps
            .into_iter()
            .filter_map(|(name, map)| Some((name.to_lowercase(), HashMapEntries::new(map).ok()?)))
            .collect();
        Ok(Self { hash_maps, sockets })
    }

    /// Counts the entries of each map, by its name in small letters. A map that the kernel does not let
    /// count is left out.
    pub fn count(&mut self) -> Vec<(String, Occupancy)> {
        let sockets = Occupancy {
            entries: self.sockets.taken().count() as u64,
            max_entries: MAX_SOCKETS as u64,
        };
        let mut counts = vec![("sockets".to_owned(), sockets)];
        for (name, map) in &mut self.hash_maps {
            if let Ok(entries) = map.count() {
                let max_entries = map.max_entries();
                let occupancy = Occupancy {
                    entries,
                    max_entries,
                };
                counts.push((name.clone(), occupancy));
            }
        }
        counts.sort_by(|(one, _), (other, _)| one.cmp(other));
        counts
    }
}
