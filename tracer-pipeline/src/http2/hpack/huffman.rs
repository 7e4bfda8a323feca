//! The Huffman code for strings (RFC 7541 section 5.2 and appendix B). In: coded bytes. Out: the
//! text.
//!
//! The code is canonical: the lengths of the codes, in the order of the symbols, define all of
//! appendix B. The tables are built from the lengths at compile time.

use super::HpackError;

/// Bits of each symbol's code; the last symbol is the end of string.
#[rustfmt::skip]
const CODE_BITS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11,
    10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8,
    15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5,
    6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23,
    23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21,
    23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25,
    26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26,
    28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

const END_OF_STRING: u16 = 256;
const MAX_BITS: usize = 30;
/// Longest code, in bits, of the characters that are common in header fields.
const SHORT_BITS: u32 = 8;

/// The codes of one length, which are consecutive.
#[derive(Clone, Copy)]
struct Length {
    first_code: u32,
    codes: u32,
    /// Index of the first code's symbol in [`Code::symbols`].
    first_symbol: usize,
}

#[derive(Clone, Copy)]
struct Symbol {
    symbol: u16,
    bits: u32,
}

struct Code {
    lengths: [Length; MAX_BITS + 1],
    /// Symbols in the order of their codes.
    symbols: [u16; 257],
    /// Symbols by the next [`SHORT_BITS`] bits; `None` for the start of a longer code.
    short: [Option<Symbol>; 1 << SHORT_BITS],
}

static CODE: Code = Code::build();

impl Code {
    const fn build() -> Self {
        let mut lengths = [Length {
            first_code: 0,
            codes: 0,
            first_symbol: 0,
        }; MAX_BITS + 1];
        let mut symbols = [0; 257];
        let mut short = [None; 1 << SHORT_BITS];
        let (mut code, mut sorted, mut bits) = (0_u32, 0, 1);
        while bits <= MAX_BITS {
            code <<= 1;
            lengths[bits].first_code = code;
            lengths[bits].first_symbol = sorted;
            let mut symbol = 0;
            while symbol < CODE_BITS.len() {
                if CODE_BITS[symbol] as usize == bits {
                    symbols[sorted] = symbol as u16;
                    fill_short(&mut short, code, symbol as u16, bits as u32);
                    lengths[bits].codes += 1;
                    sorted += 1;
                    code += 1;
                }
                symbol += 1;
            }
            bits += 1;
        }
        Self {
            lengths,
            symbols,
            short,
        }
    }

    /// The symbol whose code `window` starts with, from the most significant bit on.
    fn symbol(&self, window: u32) -> Symbol {
        if let Some(symbol) = self.short[(window >> (32 - SHORT_BITS)) as usize] {
            return symbol;
        }
        for bits in SHORT_BITS + 1..=MAX_BITS as u32 {
            let length = &self.lengths[bits as usize];
            let nth = (window >> (32 - bits)).wrapping_sub(length.first_code);
            if nth < length.codes {
                let symbol = self.symbols[length.first_symbol + nth as usize];
                return Symbol { symbol, bits };
            }
        }
        // Never reached: the code is complete, so that any 30 bits start with a code.
        Symbol {
            symbol: END_OF_STRING,
            bits: MAX_BITS as u32,
        }
    }
}

/// Stores a short code at every index that starts with its bits.
const fn fill_short(
    short: &mut [Option<Symbol>; 1 << SHORT_BITS],
    code: u32,
    symbol: u16,
    bits: u32,
) {
    if bits > SHORT_BITS {
        return;
    }
    let free_bits = SHORT_BITS - bits;
    let mut rest = 0;
    while rest < 1 << free_bits {
        short[((code << free_bits) | rest) as usize] = Some(Symbol { symbol, bits });
        rest += 1;
    }
}

/// Decodes a string and appends it to `text`: at most 8 bytes for 5 coded bytes.
///
/// # Errors
/// When the string has the end-of-string symbol, or padding of eight or more bits or with a zero
/// bit.
pub(super) fn decode(coded: &[u8], text: &mut Vec<u8>) -> Result<(), HpackError> {
    let mut coded = coded.iter();
    // The next `have` bits, from the most significant on.
    let (mut window, mut have) = (0_u64, 0_u32);
    loop {
        while have <= 56 {
            let Some(byte) = coded.next() else { break };
            window |= u64::from(*byte) << (56 - have);
            have += 8;
        }
        // Bits beyond the end are ones, like padding.
        let padded = window | u64::MAX.checked_shr(have).unwrap_or(0);
        let next = CODE.symbol((padded >> 32) as u32);
        if next.bits > have {
            let padding = have < 8 && padded == u64::MAX;
            return if padding {
                Ok(())
            } else {
                Err(HpackError::Huffman)
            };
        }
        if next.symbol == END_OF_STRING {
            return Err(HpackError::Huffman);
        }
        text.push(next.symbol as u8);
        window <<= next.bits;
        have -= next.bits;
    }
}

/// The code of `X`, of eight bits: a string of it has any number of bytes.
pub(crate) const FILLER: u8 = 0xfc;

/// A text, and its code.
pub(crate) struct Refilled {
    pub(crate) text: Vec<u8>,
    pub(crate) coded: Vec<u8>,
}

/// Encodes a text of which only some bytes matter, to a string of a given length; for the others it
/// chooses bytes (`0`, `5`, `k`, `X`) so that the text keeps its length, too. `None` if there is no such choice.
pub(crate) fn refill(
    text: &[u8],
    is_kept: impl Fn(usize) -> bool,
    coded_bytes: usize,
) -> Option<Refilled> {
    /// By their bits, from 5 on.
    const FILLERS: [u8; 4] = [b'0', b'5', b'k', b'X'];
    let bits = |byte: u8| usize::from(CODE_BITS[usize::from(byte)]);
    let kept = (0..text.len()).filter(|at| is_kept(*at));
    let (kept, kept_bits) = kept.fold((0, 0), |(kept, sum), at| (kept + 1, sum + bits(text[at])));
    let fillers = text.len() - kept;
    let spare_bits = coded_bytes
        .checked_mul(8)?
        .checked_sub(kept_bits + 5 * fillers)?;
    // Up to seven bits of padding.
    let mut spare_bits = spare_bits.min(3 * fillers);
    let chosen: Vec<u8> = (0..text.len())
        .map(|at| {
            if is_kept(at) {
                return text[at];
            }
            let more = spare_bits.min(3);
            spare_bits -= more;
            FILLERS[more]
        })
        .collect();
    let coded = encode(&chosen);
    (coded.len() == coded_bytes).then_some(Refilled {
        text: chosen,
        coded,
    })
}

fn encode(text: &[u8]) -> Vec<u8> {
    let mut coded = Vec::with_capacity(text.len());
    let (mut window, mut have) = (0_u64, 0_u32);
    for byte in text {
        let (code, bits) = code_of(u16::from(*byte));
        window = window << bits | u64::from(code);
        have += bits;
        while have >= 8 {
            have -= 8;
            coded.push((window >> have) as u8);
        }
    }
    if have > 0 {
        coded.push((window << (8 - have)) as u8 | 0xff >> have);
    }
    coded
}

/// The code of a symbol, and its bits.
fn code_of(symbol: u16) -> (u32, u32) {
    let bits = CODE_BITS[usize::from(symbol)];
    let length = &CODE.lengths[usize::from(bits)];
    let symbols = CODE.symbols[length.first_symbol..].iter();
    let nth = symbols.take_while(|other| **other != symbol).count();
    (length.first_code + nth as u32, u32::from(bits))
}

#[cfg(test)]
mod tests {
    use super::super::tests::hex;
    use super::*;

    fn check(coded: &str, expected: Result<&str, HpackError>) {
        let mut text = Vec::new();
        let decoded = decode(&hex(coded), &mut text);
        let text = String::from_utf8_lossy(&text);
        assert_eq!(decoded.map(|()| &*text), expected, "{coded}");
    }

    /// The strings of RFC 7541 appendix C.4 and C.6.
    #[test]
    fn examples_of_the_specification() {
        for (coded, text) in [
            ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
            ("a8eb10649cbf", "no-cache"),
            ("25a849e95ba97d7f", "custom-key"),
            ("25a849e95bb8e8b4bf", "custom-value"),
            ("6402", "302"),
            ("aec3771a4b", "private"),
            (
                "d07abe941054d444a8200595040b8166e082a62d1bff",
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
            (
                "9d29ad171863c78f0b97c8e9ae82ae43d3",
                "https://www.example.com",
            ),
            ("9bd9ab", "gzip"),
        ] {
            check(coded, Ok(text));
            assert_eq!(encode(text.as_bytes()), hex(coded), "{text}");
        }
    }

    #[test]
    fn fillers_keep_both_lengths() {
        for text in [
            "",
            "a",
            "www.example.com",
            "QWERTZ",
            "a8f3-00",
            "Mon, 21 Oct 2013",
        ] {
            let coded = encode(text.as_bytes());
            for kept in [0, 1, 4] {
                let refilled = refill(text.as_bytes(), |at| at < kept, coded.len()).unwrap();
                let mut decoded = Vec::new();
                decode(&refilled.coded, &mut decoded).unwrap();
                assert_eq!(decoded, refilled.text);
                assert_eq!(
                    (refilled.coded.len(), decoded.len()),
                    (coded.len(), text.len())
                );
                assert!(
                    decoded
                        .iter()
                        .zip(text.bytes())
                        .take(kept)
                        .all(|(one, other)| *one == other)
                );
            }
        }
        let rare = [0x16; 4];
        assert!(refill(&rare, |_| false, encode(&rare).len()).is_none());
    }

    /// The first and the last code of some lengths, as printed in appendix B; and all codes
    /// together fill the space of 30 bits exactly.
    #[test]
    fn codes_are_those_of_appendix_b() {
        for (symbol, bits, code) in [
            (u16::from(b'0'), 5, 0x0),
            (u16::from(b't'), 5, 0x9),
            (u16::from(b' '), 6, 0x14),
            (u16::from(b':'), 7, 0x5c),
            (u16::from(b'X'), 8, 0xfc),
            (u16::from(b'!'), 10, 0x3f8),
            (u16::from(b'<'), 15, 0x7ffc),
            (0, 13, 0x1ff8),
            (92, 19, 0x7fff0),
            (9, 24, 0x00ff_ffea),
            (30, 28, 0x0fff_fffa),
            (22, 30, 0x3fff_fffe),
            (END_OF_STRING, 30, 0x3fff_ffff),
        ] {
            let next = CODE.symbol(code << (32 - bits));
            assert_eq!((next.symbol, next.bits), (symbol, bits));
        }
        let last = CODE.lengths[MAX_BITS];
        assert_eq!(last.first_code + last.codes, 1 << MAX_BITS);
    }

    #[test]
    fn padding_is_fewer_than_eight_ones() {
        check("", Ok(""));
        check("07", Ok("0")); // 00000, then three ones
        check("ff", Err(HpackError::Huffman)); // eight bits of padding
        check("07ff", Err(HpackError::Huffman)); // eleven
        check("06", Err(HpackError::Huffman)); // a zero in the padding
        check("00", Err(HpackError::Huffman)); // three zeros as padding
        check("fe", Err(HpackError::Huffman)); // the start of a longer code
    }

    #[test]
    fn the_end_of_string_symbol_is_an_error() {
        check("ffffffff", Err(HpackError::Huffman)); // thirty ones and two of padding
        check("07ffffffff", Err(HpackError::Huffman));
    }
}
