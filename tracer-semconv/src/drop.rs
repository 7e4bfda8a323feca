//! Values of [`attribute::DROP_BY`](crate::attribute::DROP_BY).

/// conntrack dropped the packet, not a rule.
pub const BY_CONNTRACK: &str = "conntrack";
