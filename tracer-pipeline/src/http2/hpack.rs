//! HPACK, the compression of header fields (RFC 7541). In: header blocks of one direction of one
//! connection. Out: [`Field`]s.
//!
//! Unlike a library's decoder, this one continues with an unknown dynamic table, after a start in
//! the middle of a connection or the loss of a block. Each field then has its known parts, and
//! every new entry makes more of the table known. A [`RetentionPolicy`] limits which values are
//! stored.

mod block_reader;
mod dynamic_table;
mod huffman;
mod static_table;
#[cfg(test)]
mod tests;

use std::ops::Range;

use thiserror::Error;

use self::block_reader::BlockReader;
use self::dynamic_table::{DEFAULT_MAX_BYTES, DynamicTable, Entry};
use self::static_table::STATIC_ENTRIES;

pub use self::dynamic_table::KEPT_MAX_BYTES;
pub(crate) use self::huffman::{FILLER, refill};

/// Most heap memory of a [`Decoder`] between two blocks, in bytes, without the allocator's
/// overhead: the stored entries, and as much again for the slots of evicted entries.
pub const DECODER_MAX_BYTES: usize = 2 * KEPT_MAX_BYTES;

/// Why the rest of a block cannot be decoded. The fields before the defect stay valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HpackError {
    /// More bytes may complete the field.
    #[error("header block ends within a field")]
    Truncated,
    /// Section 5.1.
    #[error("integer in a header block exceeds 32 bits")]
    Integer,
    /// Section 5.2.
    #[error("huffman code in a header block is invalid")]
    Huffman,
    /// Section 2.3.3.
    #[error("index in a header block refers to no entry")]
    Index,
    /// Section 4.2.
    #[error("size update comes after a field of its header block")]
    SizeUpdatePlace,
    /// Section 6.3.
    #[error("size update exceeds what the receiver's settings allow")]
    SizeUpdateLimit,
}

/// A field, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Field<'b> {
    /// Name and value. Of a value from the dynamic table, the part that the [`RetentionPolicy`]
    /// stored.
    Known {
        /// The name.
        name: &'b [u8],
        /// The value.
        value: &'b [u8],
    },
    /// From the dynamic table, which has not stored the value.
    NotKept {
        /// The name.
        name: &'b [u8],
    },
    /// The name is in the unknown part of the dynamic table.
    Nameless {
        /// The value.
        value: &'b [u8],
    },
    /// Name and value are in the unknown part of the dynamic table.
    Unknown,
}

/// Returns the part of a value that the dynamic table may store. The name is `None` when it is
/// unknown.
pub type RetentionPolicy =
    for<'n, 'v> fn(name: Option<&'n [u8]>, value: &'v [u8]) -> Option<&'v [u8]>;

/// The decoder of one direction of a connection.
pub struct Decoder {
    table: DynamicTable,
    keep: RetentionPolicy,
    /// Largest valid size update, in bytes; `None` where SETTINGS may have been missed.
    limit_bytes: Option<u32>,
}

impl Decoder {
    /// For a connection from its first block on.
    #[must_use]
    pub fn new(keep: RetentionPolicy) -> Self {
        Self {
            table: DynamicTable::empty(),
            keep,
            limit_bytes: Some(DEFAULT_MAX_BYTES),
        }
    }

    /// For a connection of which earlier blocks were not seen.
    #[must_use]
    pub fn new_unknown(keep: RetentionPolicy) -> Self {
        Self {
            table: DynamicTable::unknown(),
            keep,
            limit_bytes: None,
        }
    }

    /// Whether every entry of the dynamic table is known, as it is from the first block on: then no
    /// field can be unknown.
    ///
    /// After a start in the middle this may never happen: a name that the encoder always takes from
    /// the entry before is never sent again.
    #[must_use]
    pub fn resynchronised(&self) -> bool {
        self.table.known()
    }

    /// Resets the dynamic table: a block, or a part of a block, was lost.
    pub fn forget(&mut self) {
        *self = Self::new_unknown(self.keep);
    }

    /// The receiver's SETTINGS allow a table of `table_bytes`; `None` when the setting may exist
    /// but was not seen.
    ///
    /// The largest value so far counts: the time when the encoder applies a smaller one is unknown.
    pub fn allow(&mut self, table_bytes: Option<u32>) {
        self.limit_bytes = match (self.limit_bytes, table_bytes) {
            (Some(limit), Some(allowed)) => Some(limit.max(allowed)),
            _ => None,
        };
    }

    /// Bytes on the heap; never more than [`DECODER_MAX_BYTES`].
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.table.heap_bytes()
    }

    /// Decodes one block, field by field, in order.
    ///
    /// # Errors
    /// When the rest cannot be decoded. The table then differs from the encoder's, and the caller
    /// must [`forget`](Self::forget) it.
    pub fn decode(
        &mut self,
        block: &[u8],
        mut each: impl FnMut(Field<'_>),
    ) -> Result<(), HpackError> {
        let mut reader = BlockReader::new(block);
        self.fields(&mut reader, &mut 0, &mut |field, _| each(field))
    }

    /// As [`decode`](Self::decode), with the place of each value: the string in the block, or nothing for one from
    /// a table. Also returns where the field begins that could not be decoded.
    pub(crate) fn decode_located(
        &mut self,
        block: &[u8],
        mut each: impl FnMut(Field<'_>, Range<usize>),
    ) -> (usize, Result<(), HpackError>) {
        let mut decoded_to = 0;
        let mut reader = BlockReader::new(block);
        let decoded = self.fields(&mut reader, &mut decoded_to, &mut each);
        (decoded_to, decoded)
    }

    /// The name and the value of a literal of which the block ends within the value; `None` where no
    /// byte of the value can be there.
    pub(crate) fn cut_literal(&self, field: &[u8]) -> Option<CutLiteral> {
        let mut reader = BlockReader::new(field);
        let indexing = match reader.peek()? {
            0x40..0x80 => Indexing::Yes,
            ..0x20 => Indexing::No,
            _ => return None,
        };
        let index = reader.integer(indexing.prefix_bits()).ok()?;
        let mut text = Vec::new();
        let name = match index {
            0 => Some(reader.string(&mut text).ok()?),
            index => self.name(index).ok()?,
        };
        let name = name.map(<[u8]>::to_vec);
        let value = StringContent::read(&mut reader)?;
        Some(CutLiteral { name, value })
    }

    /// Passes fields to `each`; `decoded_to` is where the last one begins, or the end.
    fn fields(
        &mut self,
        reader: &mut BlockReader<'_>,
        decoded_to: &mut usize,
        each: &mut impl FnMut(Field<'_>, Range<usize>),
    ) -> Result<(), HpackError> {
        let mut text = DecodedStrings::default();
        let mut after_field = false;
        while let Some(first) = reader.peek() {
            match first {
                0x80.. => each(self.indexed(reader.integer(7)?)?, 0..0),
                0x40..0x80 => self.literal(reader, &mut text, Indexing::Yes, each)?,
                0x20..0x40 if after_field => return Err(HpackError::SizeUpdatePlace),
                0x20..0x40 => {
                    self.resize(reader.integer(5)?)?;
                    *decoded_to = reader.position();
                    continue;
                }
                // Literals without indexing, and never-indexed literals.
                ..0x20 => self.literal(reader, &mut text, Indexing::No, each)?,
            }
            after_field = true;
            *decoded_to = reader.position();
        }
        Ok(())
    }

    /// Section 6.1.
    fn indexed(&self, index: u32) -> Result<Field<'_>, HpackError> {
        if let Some((name, value)) = static_table::entry(index) {
            return Ok(Field::Known { name, value });
        }
        let Some(entry) = self.dynamic(index)? else {
            return Ok(Field::Unknown);
        };
        Ok(match (entry.name(), entry.value()) {
            (Some(name), Some(value)) => Field::Known { name, value },
            (Some(name), None) => Field::NotKept { name },
            (None, Some(value)) => Field::Nameless { value },
            (None, None) => Field::Unknown,
        })
    }

    /// Section 6.2.
    fn literal(
        &mut self,
        reader: &mut BlockReader<'_>,
        text: &mut DecodedStrings,
        indexing: Indexing,
        each: &mut impl FnMut(Field<'_>, Range<usize>),
    ) -> Result<(), HpackError> {
        let index = reader.integer(indexing.prefix_bits())?;
        let name = match index {
            0 => Some(reader.string(&mut text.name)?),
            index => self.name(index)?,
        };
        let begin = reader.position();
        let value = reader.string(&mut text.value)?;
        let field = match name {
            Some(name) => Field::Known { name, value },
            None => Field::Nameless { value },
        };
        each(field, begin..reader.position());
        if indexing == Indexing::Yes {
            let entry = Entry::new(name, value, (self.keep)(name, value));
            self.table.insert(entry);
        }
        Ok(())
    }

    /// Section 6.3.
    fn resize(&mut self, table_bytes: u32) -> Result<(), HpackError> {
        if self.limit_bytes.is_some_and(|limit| table_bytes > limit) {
            return Err(HpackError::SizeUpdateLimit);
        }
        self.table.resize(table_bytes);
        Ok(())
    }

    fn name(&self, index: u32) -> Result<Option<&[u8]>, HpackError> {
        if let Some((name, _)) = static_table::entry(index) {
            return Ok(Some(name));
        }
        Ok(self.dynamic(index)?.and_then(Entry::name))
    }

    fn dynamic(&self, index: u32) -> Result<Option<&Entry>, HpackError> {
        let nth = index
            .checked_sub(STATIC_ENTRIES + 1)
            .ok_or(HpackError::Index)?;
        self.table.get(nth)
    }
}

/// Where the bytes of a string are in a block.
pub(crate) struct StringContent {
    pub(crate) huffman_coded: bool,
    pub(crate) range: Range<usize>,
}

impl StringContent {
    /// Of a string that begins a block. The range may end behind the block.
    pub(crate) fn of(block: &[u8]) -> Option<Self> {
        Self::read(&mut BlockReader::new(block))
    }

    fn read(reader: &mut BlockReader<'_>) -> Option<Self> {
        let header = reader.string_header().ok()?;
        let begin = reader.position();
        Some(Self {
            huffman_coded: header.huffman_coded,
            range: begin..begin.checked_add(header.bytes)?,
        })
    }
}

/// A literal that is cut within its value.
pub(crate) struct CutLiteral {
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) value: StringContent,
}

/// Buffers for Huffman-decoded strings, for one block.
#[derive(Default)]
struct DecodedStrings {
    name: Vec<u8>,
    value: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Indexing {
    Yes,
    No,
}

impl Indexing {
    fn prefix_bits(self) -> u32 {
        match self {
            Self::Yes => 6,
            Self::No => 4,
        }
    }
}
