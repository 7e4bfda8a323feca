//! Reads the primitive types (RFC 7541 section 5). In: a header block. Out: integers and strings,
//! each within its bounds.

use super::{HpackError, huffman};

/// Most bytes after the first byte of an integer. Five bytes hold 32 bits.
const INTEGER_MAX_BYTES: u32 = 5;

/// The rest of a block.
pub(super) struct BlockReader<'b> {
    rest: &'b [u8],
    block_bytes: usize,
}

/// How a string is coded.
pub(super) struct StringHeader {
    pub(super) huffman_coded: bool,
    pub(super) bytes: usize,
}

impl<'b> BlockReader<'b> {
    pub(super) fn new(block: &'b [u8]) -> Self {
        Self {
            rest: block,
            block_bytes: block.len(),
        }
    }

    /// Bytes of the block before the next one.
    pub(super) fn position(&self) -> usize {
        self.block_bytes - self.rest.len()
    }

    /// The next byte, without consuming it.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// An integer that starts in the low `prefix_bits` of the next byte (section 5.1).
    ///
    /// # Errors
    /// When the block ends within the integer, or the integer exceeds 32 bits or five further
    /// bytes.
    pub(super) fn integer(&mut self, prefix_bits: u32) -> Result<u32, HpackError> {
        let prefix_max = (1_u32 << prefix_bits) - 1;
        let prefix = u32::from(self.byte()?) & prefix_max;
        if prefix < prefix_max {
            return Ok(prefix);
        }
        let mut value = u64::from(prefix);
        for nth in 0..INTEGER_MAX_BYTES {
            let byte = self.byte()?;
            value += u64::from(byte & 0x7f) << (7 * nth);
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| HpackError::Integer);
            }
        }
        Err(HpackError::Integer)
    }

    /// A string (section 5.2): a slice of the block, or Huffman-decoded into `text`.
    ///
    /// # Errors
    /// When the block ends within the string, or its Huffman code is invalid.
    pub(super) fn string<'s>(&mut self, text: &'s mut Vec<u8>) -> Result<&'s [u8], HpackError>
    where
        'b: 's,
    {
        let StringHeader {
            huffman_coded,
            bytes: length,
        } = self.string_header()?;
        let (string, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(HpackError::Truncated)?;
        self.rest = rest;
        if !huffman_coded {
            return Ok(string);
        }
        text.clear();
        huffman::decode(string, text)?;
        Ok(text)
    }

    /// What precedes the bytes of a string.
    ///
    /// # Errors
    /// When the block ends within it.
    pub(super) fn string_header(&mut self) -> Result<StringHeader, HpackError> {
        Ok(StringHeader {
            huffman_coded: self.peek().is_some_and(|byte| byte & 0x80 != 0),
            bytes: self.integer(7)? as usize,
        })
    }

    fn byte(&mut self) -> Result<u8, HpackError> {
        let (first, rest) = self.rest.split_first().ok_or(HpackError::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], prefix_bits: u32, expected: Result<u32, HpackError>) {
        let read = BlockReader::new(bytes).integer(prefix_bits);
        assert_eq!(read, expected, "{bytes:02x?}");
    }

    /// RFC 7541 appendix C.1.
    #[test]
    fn examples_of_the_specification() {
        check(&[0b0000_1010], 5, Ok(10));
        check(&[0b0001_1111, 0b1001_1010, 0b0000_1010], 5, Ok(1337));
        check(&[0b0010_1010], 8, Ok(42));
    }

    #[test]
    fn integers_are_bounded() {
        check(&[0xff, 0x00], 7, Ok(127));
        check(&[0xff, 0x80, 0x80, 0x80, 0x80, 0x00], 7, Ok(127));
        check(&[0x7f, 0x80, 0xff, 0xff, 0xff, 0x0f], 7, Ok(u32::MAX));
        check(
            &[0x7f, 0x81, 0xff, 0xff, 0xff, 0x0f],
            7,
            Err(HpackError::Integer),
        );
        check(&[0xff; 12], 7, Err(HpackError::Integer));
        check(
            &[0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
            7,
            Err(HpackError::Integer),
        );
    }

    #[test]
    fn a_cut_integer_or_string_is_truncated() {
        check(&[], 7, Err(HpackError::Truncated));
        check(&[0xff], 7, Err(HpackError::Truncated));
        check(&[0xff, 0x80], 7, Err(HpackError::Truncated));
        for cut in [&b""[..], b"\x03ab", b"\x83\xf1", b"\x7f"] {
            let read = BlockReader::new(cut)
                .string(&mut Vec::new())
                .map(<[u8]>::to_vec);
            assert_eq!(read, Err(HpackError::Truncated), "{cut:02x?}");
        }
    }
}
