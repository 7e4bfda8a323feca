//! Values of maps, as the kernel copies them for a system call.

use tracer_common::{edge::Edges, journey::Journey, pair_share::PairShares, watch::Watch};

/// A record of `tracer-common` as the value of a map: aya requires a trait of its own.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct MapValue<T>(pub(super) T);

// SAFETY: integers and arrays of them, for which any bytes are a valid value. The kernel may copy
// them while programs write: fields may then be of two moments.
unsafe impl aya::Pod for MapValue<Journey> {}
// SAFETY: as above.
unsafe impl aya::Pod for MapValue<Edges> {}
// SAFETY: as above.
unsafe impl aya::Pod for MapValue<PairShares> {}
// SAFETY: as above.
unsafe impl aya::Pod for MapValue<Watch> {}
