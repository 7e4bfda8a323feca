//! The contents of nf_tables' registers while a rule runs, as far as they are known without a
//! packet.
//!
//! The kernel has sixteen registers of four bytes; a longer value takes several. It numbers them in
//! two ways: 1 to 4 for every fourth register, 8 to 23 for each (kernel: nft_parse_register,
//! nft_dump_register).

use std::rc::Rc;

const WORDS: usize = 16;
const WORD_BYTES: usize = 4;

/// A property of the packet that kube-proxy's rules match on.
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
    /// A random number, or another value that no rule depends on.
    Other,
}

/// The value that starts in a register.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A property of the packet of `bytes` bytes, after an optional mask and xor.
    Field {
        field: Field,
        bytes: usize,
        mask: Option<Vec<u8>>,
        xor: Vec<u8>,
    },
    /// Four bytes of a constant.
    Constant([u8; WORD_BYTES]),
    /// Four bytes of a map's value, at this offset.
    Mapped { map: Rc<str>, at: usize },
}

/// A part of a key, with its offset and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyPart {
    pub(super) field: Field,
    pub(super) at: usize,
    pub(super) bytes: usize,
}

/// The registers, empty at the start of a rule.
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

    /// Loads a map's value. Its length is unknown here, so all registers from the first on may hold
    /// a part of it.
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

    /// The first `bytes` of the constant that starts in a register.
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

    /// The properties from a register on. They start with the key; registers behind the key may
    /// hold older values, which the caller must ignore.
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

/// The index of a register's first four bytes.
fn word(register: u32) -> Option<usize> {
    let register = usize::try_from(register).ok()?;
    match register {
        1..=4 => Some((register - 1) * WORD_BYTES),
        8..=23 => Some(register - 8),
        _ => None,
    }
}
