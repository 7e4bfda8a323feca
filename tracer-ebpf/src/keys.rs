//! Slots of a fixed table, found by a key of 64 bits.
//!
//! In: addresses of packets, cookies of sockets. Out: the number of a slot in an array, which holds
//! what is known of it. A hash map of the kernel takes a call, a lock and a copy of the whole value for
//! each of what is done here by a few loads of one line of cache. A key prefers one slot, and has the
//! choice among the [`WAYS`] of its bucket.
//!
//! All CPUs, and for journeys the agent, read and write the keys at the same time, each as one word.
//! A slot changes hands by [`Shared::exchange`]: from [`FREE`] to [`BUSY`] by the one that claims it,
//! from a key to [`BUSY`] or [`FREE`] by the one that takes it from that key. Only the holder of a
//! `BUSY` slot publishes a key in it. [`Keys::claim_any`] alone takes a slot without asking: what
//! its loser may still write there is documented at `Socket`.

use core::arch::asm;

use aya_ebpf::helpers::bpf_get_prandom_u32;

use crate::shared::{Cells, Shared};

/// Slots of a bucket; their keys are a line of cache on most processors.
pub(crate) const WAYS: u32 = 8;
/// No key: the slot is free.
const FREE: u64 = 0;
/// No key either: somebody is writing what belongs to the slot.
const BUSY: u64 = u64::MAX;

/// The keys of `N` slots, a power of two.
#[repr(C)]
pub(crate) struct Keys<const N: usize>([Shared<u64>; N]);

// SAFETY: cells in a row.
unsafe impl<const N: usize> Cells for Keys<N> {}

/// Whether a word is the mark of a slot without a key. It is a key of nothing: a socket has no cookie
/// 0, but where the kernel counts cookies down the first one is 2^64 - 1.
#[inline(always)]
const fn is_reserved(word: u64) -> bool {
    word == FREE || word == BUSY
}

impl<const N: usize> Keys<N> {
    /// The slot of a key, or `N`: an `Option` would be a register that the verifier does not know.
    /// A [reserved](is_reserved) word has none, though it is in many: what belongs to a free slot is
    /// of a packet or socket that is gone, and to a busy one, half written.
    #[inline(always)]
    pub(crate) fn find(&self, key: u64) -> u32 {
        if is_reserved(key) {
            return N as u32;
        }
        let preferred = Self::preferred(key);
        if self.load(preferred) == key {
            return preferred;
        }
        let first = Self::bucket(preferred);
        let mut any = 0;
        let mut way = 0;
        while way < WAYS {
            any |= self.load(first + way);
            way += 1;
        }
        if any == FREE {
            // As it is for most packets of a node.
            return N as u32;
        }
        self.find_in(first, key)
    }

    /// A slot of the key's bucket that was free and is nobody's until it is [published](Self::publish), or `N`.
    #[inline(always)]
    pub(crate) fn claim(&self, key: u64) -> u32 {
        if is_reserved(key) {
            return N as u32;
        }
        let mut slot = Self::preferred(key);
        if self.load(slot) != FREE {
            slot = self.find_in(Self::bucket(slot), FREE);
        }
        if slot < N as u32 && self.cell(slot).exchange(FREE, BUSY) {
            slot
        } else {
            // The bucket is full, or another CPU was faster, which is as rare.
            N as u32
        }
    }

    /// Where in a bucket a word is. By its low half, without a branch for each way: each would double what
    /// the verifier has to look at. Of keys with one low half the first is found, and is compared as a
    /// whole.
    #[inline(always)]
    fn find_in(&self, first: u32, key: u64) -> u32 {
        let low = low_word(key);
        let mut found = 0;
        let mut way = 0;
        while way < WAYS {
            let other = self.load(first + way) as u32 ^ low;
            found |= is_zero(other) << way;
            way += 1;
        }
        if found == 0 {
            return N as u32;
        }
        let slot = Self::bounded(first + lowest_bit(found));
        if self.load(slot) == key {
            slot
        } else {
            N as u32
        }
    }

    /// As [`Self::claim`], but takes any slot of a full bucket.
    #[inline(always)]
    pub(crate) fn claim_any(&self, key: u64) -> u32 {
        let free = self.claim(key);
        if free < N as u32 || is_reserved(key) {
            return free;
        }
        // SAFETY: the helper has no preconditions.
        let any =
            Self::bucket(Self::preferred(key)) + (unsafe { bpf_get_prandom_u32() } & (WAYS - 1));
        self.cell(any).set(BUSY);
        any
    }

    /// Takes a slot from its key, to write it anew; whether it still was that key's.
    #[inline(always)]
    pub(crate) fn reclaim(&self, slot: u32, key: u64) -> bool {
        self.cell(slot).exchange(key, BUSY)
    }

    /// Frees a slot if it still is that key's.
    #[inline(always)]
    pub(crate) fn free(&self, slot: u32, key: u64) {
        self.cell(slot).exchange(key, FREE);
    }

    /// Publishes what was written in a claimed slot: it belongs to `key`.
    #[inline(always)]
    pub(crate) fn publish(&self, slot: u32, key: u64) {
        self.cell(slot).set(key);
    }

    #[inline(always)]
    fn load(&self, slot: u32) -> u64 {
        self.0[slot as usize & (N - 1)].get()
    }

    #[inline(always)]
    fn cell(&self, slot: u32) -> &Shared<u64> {
        &self.0[Self::bounded(slot) as usize & (N - 1)]
    }

    /// Where a key is if nothing else is there. The factor is 2^32 divided by the golden ratio.
    #[inline(always)]
    fn preferred(key: u64) -> u32 {
        const { assert!(N.is_power_of_two() && N > WAYS as usize) };
        low_word(key).wrapping_mul(0x9e37_79b9) >> (32 - N.trailing_zeros())
    }

    /// A slot, which the compiler knows to be one and so would not mask. The verifier of 6.1 knows no more
    /// of a sum of bits than that it is a number.
    #[inline(always)]
    fn bounded(slot: u32) -> u32 {
        let mut slot = u64::from(slot);
        // SAFETY: arithmetic on one register.
        unsafe {
            asm!("{0} &= {1}", inout(reg) slot, const N - 1, options(pure, nomem, nostack));
        }
        slot as u32
    }

    /// The first slot of the bucket that a slot is in.
    #[inline(always)]
    const fn bucket(slot: u32) -> u32 {
        slot & !(WAYS - 1)
    }
}

/// 1 for zero, 0 for everything else; the compiler would make a branch of it.
#[inline(always)]
fn is_zero(word: u32) -> u32 {
    let mut borrow = u64::from(word);
    // SAFETY: arithmetic on one register.
    unsafe { asm!("{0} += -1", "{0} >>= 63", inout(reg) borrow, options(pure, nomem, nostack)) };
    borrow as u32
}

/// The number of the lowest bit that is set, of the low eight.
#[inline(always)]
const fn lowest_bit(bits: u32) -> u32 {
    // A de Bruijn sequence of eight bits: each shift of it begins with another three, which say how far
    // it was shifted.
    const SEQUENCE: u32 = 0b0001_1101;
    const NUMBERS: u32 = 0x3457_2610;
    let lowest = bits & bits.wrapping_neg();
    let begin = ((lowest * SEQUENCE) & 0xff) >> 5;
    NUMBERS >> (begin * 4) & 7
}

/// The low word of a key. Of what the verifier knows to be a pointer this is the only part that it lets a
/// program calculate with (kernel: check_alu_op, "partial copy of pointer", by CAP_PERFMON), and only by
/// an instruction that the compiler makes for no older target: hence written out.
#[inline(always)]
fn low_word(key: u64) -> u32 {
    let low: u64;
    // SAFETY: moves the low half of one register to another and clears the high half there.
    unsafe { asm!("w0 = w1", in("r1") key, lateout("r0") low, options(pure, nomem, nostack)) };
    low as u32
}
