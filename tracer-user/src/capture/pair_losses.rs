//! Whose records were lost because their pair of addresses had used its share of the ring buffer.
//!
//! In: the programs' counts of each pair. Out: the pairs that lost most.

use std::{cmp::Reverse, net::IpAddr};

use aya::maps::{Array, Map, MapData};
use tracer_common::{
    pair_share::{PairShare, PairShares},
    tuple,
};
use tracer_pipeline::decode::Tuple;

use super::{MapError, map_value::MapValue, typed};

/// Pairs that are named. Further ones are in the counter of all.
const MAX_NAMED: usize = 32;

/// The programs' counts, and what was read of them last.
pub struct PairLosses {
    shares: Array<MapData, MapValue<PairShares>>,
    /// The records that all pairs had lost then.
    lost: u64,
    largest: Vec<PairLoss>,
}

/// Two addresses, and the records of packets between them that were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct PairLoss {
    /// In ascending order.
    pub addresses: [IpAddr; 2],
    /// Records since the programs were loaded. Pairs with the same hash are counted together, under
    /// the addresses of the last.
    pub lost: u64,
}

impl PairLosses {
    /// The name of the programs' map.
    pub const MAP: &str = "PAIR_SHARES";

    /// The counts in this map.
    ///
    /// # Errors
    ///
    /// If it is not the map.
    pub fn new(map: Option<Map>) -> Result<Self, MapError> {
        Ok(Self {
            shares: typed(map, Self::MAP)?,
            lost: 0,
            largest: Vec::new(),
        })
    }

    /// The pairs that lost most, the largest loss first. `lost` are the records that all pairs have
    /// lost: only if they are more than at the last reading, the map, which is large, is read again.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn read(&mut self, lost: u64) -> Result<&[PairLoss], MapError> {
        if lost != self.lost {
            // The kernel copies the counts while programs write them: the addresses may be those of
            // another pair of the same entry.
            let shares = self.shares.get(&0, 0);
            let MapValue(shares) = shares.map_err(|error| MapError::of(Self::MAP, error))?;
            self.largest = largest(&shares.pairs);
            self.lost = lost;
        }
        Ok(&self.largest)
    }
}

fn largest(pairs: &[PairShare]) -> Vec<PairLoss> {
    let with_losses = pairs.iter().filter(|pair| pair.lost > 0);
    let mut losses: Vec<PairLoss> = with_losses
        .map(|pair| {
            let [source_be, destination_be] = pair.addresses_be;
            let between = Tuple::from(tuple::Tuple {
                source_be,
                destination_be,
                ..tuple::Tuple::ZERO
            });
            let mut addresses = [between.source.ip(), between.destination.ip()];
            addresses.sort_unstable();
            PairLoss {
                addresses,
                lost: pair.lost,
            }
        })
        .collect();
    losses.sort_unstable_by_key(|pair| (Reverse(pair.lost), pair.addresses));
    losses.truncate(MAX_NAMED);
    losses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(last: u8, lost: u64) -> PairShare {
        let address = |last: u8| {
            let mapped = std::net::Ipv4Addr::new(10, 0, 0, last).to_ipv6_mapped();
            let mut words = [0; 4];
            for (word, bytes) in words.iter_mut().zip(mapped.octets().chunks_exact(4)) {
                *word = u32::from_ne_bytes(bytes.try_into().expect("four bytes"));
            }
            words
        };
        PairShare {
            lost,
            addresses_be: [address(last), address(1)],
            ..PairShare::default()
        }
    }

    #[test]
    fn the_pairs_that_lost_most_are_named() {
        let mut pairs: Vec<PairShare> = (2..100).map(|last| pair(last, u64::from(last))).collect();
        pairs.push(PairShare::default());
        let losses = largest(&pairs);
        assert_eq!(losses.len(), MAX_NAMED);
        let one = "10.0.0.1".parse().expect("an address");
        let most = "10.0.0.99".parse().expect("an address");
        assert_eq!(
            losses[0],
            PairLoss {
                addresses: [one, most],
                lost: 99
            }
        );
        assert!(losses.is_sorted_by(|a, b| a.lost > b.lost));
        assert!(largest(&[PairShare::default()]).is_empty());
    }
}
