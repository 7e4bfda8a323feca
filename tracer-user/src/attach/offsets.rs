//! The offsets of the fields of `tracer_common::offset` in the running kernel.
//!
//! In: the kernel's BTF. Out: an offset in bytes per field, or the names of missing fields.

use btf_rs::{Btf, Type};
use tracer_common::offset::{FIELDS, Field};

use super::kernel_types::{KernelTypes, NoBtf};

/// A field and its offset in bytes; `None` where this kernel lacks the field.
pub(super) type Offset = (Field, Option<u32>);

/// Looks up all fields.
pub(super) fn resolve(types: &KernelTypes) -> Vec<Offset> {
    FIELDS
        .iter()
        .map(|field| {
            let conntrack = || types.conntrack.as_ref();
            let found = offset_of(&types.vmlinux, field)
                .or_else(|| conntrack().and_then(|btf| offset_of(btf, field)));
            (*field, found)
        })
        .collect()
}

/// The fields that the kernel's types lack, as `structure.member`: conntrack's where it is not
/// loaded, others on a kernel that is not supported. Fields of IPv6 are left out: a kernel without
/// IPv6 needs none.
///
/// # Errors
///
/// When the kernel carries no BTF.
pub fn unknown_fields() -> Result<Vec<String>, NoBtf> {
    let offsets = resolve(&KernelTypes::open()?);
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

/// The bound of the search. In real kernels anonymous structures are nested a few levels deep.
const MAX_NESTING: u32 = 16;

/// The offset of a member in bits, and its type. Searches anonymous structures and unions too.
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
        let Ok(types) = KernelTypes::open() else {
            println!("SKIP every_field_is_found_in_this_kernel: no kernel BTF here");
            return;
        };
        for (field, offset) in resolve(&types) {
            // A module that is not loaded has no types.
            if !field.is_optional() {
                assert!(offset.is_some(), "{}.{}", field.structure, field.member);
            }
        }
    }
}
