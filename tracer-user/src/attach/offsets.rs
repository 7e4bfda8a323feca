//! Where the fields of `tracer_common::offset` are in the running kernel.
//!
//! In: the kernel's BTF. Out: an offset in bytes per field, or which field is missing.

use btf_rs::{Btf, Type};
use tracer_common::offset::{FIELDS, Field};

/// BTF of the kernel itself.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
/// BTF of conntrack where distributions build it as a module.
const NF_CONNTRACK: &str = "/sys/kernel/btf/nf_conntrack";

/// Why there are no offsets at all.
#[derive(Debug, thiserror::Error)]
#[error("read {VMLINUX}: the kernel must be built with CONFIG_DEBUG_INFO_BTF")]
pub struct NoBtf(#[source] btf_rs::Error);

/// A field and where it is; `None` where this kernel does not have it.
pub(super) type Offset = (Field, Option<u32>);

/// The types of the kernel itself.
///
/// # Errors
///
/// When the kernel carries no BTF.
pub(super) fn vmlinux() -> Result<Btf, NoBtf> {
    Btf::from_file(VMLINUX).map_err(NoBtf)
}

/// Looks up every field.
///
/// # Errors
///
/// When the kernel carries no BTF.
pub(super) fn resolve() -> Result<Vec<Offset>, NoBtf> {
    let vmlinux = vmlinux()?;
    // Not loaded, or built in: then its types are in vmlinux.
    let conntrack = Btf::from_split_file(NF_CONNTRACK, &vmlinux).ok();
    Ok(FIELDS
        .iter()
        .map(|field| {
            let found = offset_of(&vmlinux, field)
                .or_else(|| conntrack.as_ref().and_then(|btf| offset_of(btf, field)));
            (*field, found)
        })
        .collect())
}

/// The fields that the kernel's types do not tell: those of conntrack, where it is not loaded; others
/// on a kernel that is not supported. As `structure.member`. A kernel without IPv6 misses nothing.
///
/// # Errors
///
/// When the kernel carries no BTF.
pub fn unknown_fields() -> Result<Vec<String>, NoBtf> {
    let offsets = resolve()?;
    let unknown = offsets
        .iter()
        .filter(|(field, offset)| offset.is_none() && !field.is_of_ipv6());
    Ok(unknown
        .map(|(field, _)| format!("{}.{}", field.structure, field.member))
        .collect())
}

fn offset_of(btf: &Btf, field: &Field) -> Option<u32> {
    let mut structure = btf
        .resolve_types_by_name(field.structure)
        .ok()?
        .into_iter()
        .find(|found| matches!(found, Type::Struct(_)))?;
    let mut offset_bits = 0;
    for name in field.member.split('.') {
        let (bits, inner) = member(btf, &structure, name, 0)?;
        offset_bits += bits;
        structure = inner;
    }
    Some(offset_bits / 8)
}

/// Anonymous structures are nested a few levels deep in real kernels; this only bounds the search.
const MAX_NESTING: u32 = 16;

/// The offset of a member in bits, and its type; looks into anonymous structures and unions.
fn member(btf: &Btf, structure: &Type, name: &str, depth: u32) -> Option<(u32, Type)> {
    let (Type::Struct(definition) | Type::Union(definition)) = structure else {
        return None;
    };
    if depth > MAX_NESTING {
        return None;
    }
    definition.members.iter().find_map(|candidate| {
        let inner = btf.resolve_chained_type(candidate).ok()?;
        match btf.resolve_name(candidate).ok()?.as_str() {
            "" => member(btf, &inner, name, depth + 1)
                .map(|(bits, found)| (candidate.bit_offset() + bits, found)),
            found if found == name => Some((candidate.bit_offset(), inner)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_in_this_kernel() {
        let Ok(offsets) = resolve() else {
            println!("SKIP every_field_is_found_in_this_kernel: no kernel BTF here");
            return;
        };
        for (field, offset) in offsets {
            // A module that is not loaded has no types to find.
            if !field.is_optional() {
                assert!(offset.is_some(), "{}.{}", field.structure, field.member);
            }
        }
    }
}
