//! What is in nf_tables' registers while a rule runs, as far as it can be said without a packet.
//!
//! The kernel has sixteen registers of four bytes; a longer value takes several. It tells them by two
//! numberings: 1 to 4 for every fourth, 8 to 23 for each (kernel: nft_parse_register,
//! nft_dump_register).

use std::rc::Rc;

const WORDS: usize = 16;
const WORD_BYTES: usize = 4;

/// A part of the packet or of its surroundings that kube-proxy's rules ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Source,
    Destination,
    Protocol,
    DestinationPort,
    InInterface,
    /// `fib daddr type`
    DestinationType,
    /// `fib saddr type`
    SourceType,
    Mark,
    /// A random number, or something else that no rule depends on.
    Other,
}

/// The value that begins in a register.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A part of the packet, of so many bytes, perhaps masked and changed.
    Field {
        field: Field,
        bytes: usize,
        mask: Option<Vec<u8>>,
        xor: Vec<u8>,
    },
    /// Four bytes of a constant.
    Constant([u8; WORD_BYTES]),
    /// Four bytes of a value in a map, the ones at this offset.
    Mapped { map: Rc<str>, at: usize },
}

/// A part of a key, and where in the key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyPart {
    pub(super) field: Field,
    pub(super) at: usize,
    pub(super) bytes: usize,
}

/// The registers; empty at the start of a rule.
#[derive(Debug, Default)]
pub(super) struct Registers([Option<Value>; WORDS]);

impl Registers {
    pub(super) fn load_field(&mut self, register: u32, field: Field, bytes: usize) {
        let value = Value::Field {
            field,
            bytes,
            mask: None,
            xor: Vec::new(),
        };
        self.load(register, value);
    }

    pub(super) fn load(&mut self, register: u32, value: Value) {
        if let Some(slot) = word(register).and_then(|word| self.0.get_mut(word)) {
            *slot = Some(value);
        }
    }

    pub(super) fn load_constant(&mut self, register: u32, value: &[u8]) {
        let Some(first) = word(register) else { return };
        let slots = self.0.iter_mut().skip(first);
        for (slot, bytes) in slots.zip(value.chunks(WORD_BYTES)) {
            let mut constant = [0; WORD_BYTES];
            constant
                .iter_mut()
                .zip(bytes)
                .for_each(|(to, from)| *to = *from);
            *slot = Some(Value::Constant(constant));
        }
    }

    /// A map's value is as long as the map says, which is not known here: all registers behind the
    /// first may be part of it.
    pub(super) fn load_mapped(&mut self, register: u32, map: &str) {
        let Some(first) = word(register) else { return };
        let map: Rc<str> = Rc::from(map);
        for (index, slot) in self.0.iter_mut().skip(first).enumerate() {
            *slot = Some(Value::Mapped {
                map: Rc::clone(&map),
                at: index * WORD_BYTES,
            });
        }
    }

    pub(super) fn get(&self, register: u32) -> Option<&Value> {
        self.0.get(word(register)?)?.as_ref()
    }

    /// The first `bytes` of the constant that begins in a register.
    pub(super) fn constant(&self, register: u32, bytes: usize) -> Option<Vec<u8>> {
        let mut constant = Vec::with_capacity(bytes);
        for value in self.0.iter().skip(word(register)?) {
            if constant.len() >= bytes {
                break;
            }
            match value {
                Some(Value::Constant(bytes)) => constant.extend(bytes),
                _ => return None,
            }
        }
        constant.truncate(bytes);
        (constant.len() == bytes).then_some(constant)
    }

    /// The parts of the packet from a register on, which are a key for as far as the key goes:
    /// what the registers behind it hold from before is no part of it.
    pub(super) fn key(&self, register: u32) -> Vec<KeyPart> {
        let mut parts = Vec::new();
        let Some(first) = word(register) else {
            return parts;
        };
        let mut word = first;
        while let Some(Some(Value::Field { field, bytes, .. })) = self.0.get(word) {
            parts.push(KeyPart {
                field: *field,
                at: (word - first) * WORD_BYTES,
                bytes: *bytes,
            });
            word += bytes.div_ceil(WORD_BYTES).max(1);
        }
        parts
    }
}

/// The index of the first four bytes of a register.
fn word(register: u32) -> Option<usize> {
    let register = usize::try_from(register).ok()?;
    match register {
        1..=4 => Some((register - 1) * WORD_BYTES),
        8..=23 => Some(register - 8),
        _ => None,
    }
}
