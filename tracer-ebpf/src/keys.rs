//! A fixed table of slots, found by keys of 64 bits.
//!
//! In: addresses of packets, cookies of sockets. Out: the number of a slot in an array of values.
//! A hash map of the kernel takes a call, a lock and a copy of the whole value for each operation;
//! here each is a few loads from one line of cache. Every key has a preferred slot, and a choice of
//! [`WAYS`] slots in the bucket of that one.
//!
//! The programs on all CPUs, and for journeys the agent, access the keys at the same time, each as
//! one word. A slot changes hands by an atomic exchange: from [`FREE`] to [`BUSY`] by the claimant,
//! from a key to [`BUSY`] or [`FREE`] by the program or agent that takes it from that key. Only the
//! holder of a `BUSY` slot publishes a key in it. The exception is [`Keys::claim_any`], which takes
//! a slot without an exchange; the consequences are documented at `Socket`, the only user.

use core::arch::asm;

use aya_ebpf::helpers::bpf_get_prandom_u32;
use tracer_common::keys::{BUSY, FREE, is_key};

use crate::shared::{Cells, Shared};

/// Slots of a bucket. Their keys are one line of cache on most processors.
const WAYS: u32 = 8;

/// The keys of `N` slots, a power of two.
#[repr(C)]
pub(crate) struct Keys<const N: usize>([Shared<u64>; N]);

// SAFETY: cells in a row.
unsafe impl<const N: usize> Cells for Keys<N> {}

impl<const N: usize> Keys<N> {
    /// The slot of a key, or `N`: an `Option` would be a register that the verifier does not know.
    /// A [reserved](is_key) word is found nowhere, although many slots hold it: the value in a
    /// free slot is of a packet or socket that is gone, and in a busy one half written.
    #[inline(always)]
    pub(crate) fn find(&self, key: u64) -> u32 {
        if !is_key(key) {
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
            // The bucket is empty, as it is for most packets of a node.
            return N as u32;
        }
        self.find_in(first, key)
    }

    /// Claims a free slot of the key's bucket, or returns `N`. No program finds the slot until it
    /// is [published](Self::publish).
    #[inline(always)]
    pub(crate) fn claim(&self, key: u64) -> u32 {
        if !is_key(key) {
            return N as u32;
        }
        let mut slot = Self::preferred(key);
        if self.load(slot) != FREE {
            slot = self.find_in(Self::bucket(slot), FREE);
        }
        if slot < N as u32 && self.cell(slot).exchange(FREE, BUSY) {
            slot
        } else {
            // The bucket is full, or another CPU has claimed the slot, which is as rare.
            N as u32
        }
    }

    /// The slot of a bucket that holds a word, or `N`.
    ///
    /// Compares low halves without a branch for each way, which would each double what the verifier
    /// has to walk through. Of two keys with the same low half only the first is found, and
    /// compared as a whole.
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

    /// Claims a free slot of the key's bucket, or one of another key if none is free. `N` for a
    /// [reserved](is_key) word.
    #[inline(always)]
    pub(crate) fn claim_any(&self, key: u64) -> u32 {
        let free = self.claim(key);
        if free < N as u32 || !is_key(key) {
            return free;
        }
        // SAFETY: the helper has no preconditions.
        let any =
            Self::bucket(Self::preferred(key)) + (unsafe { bpf_get_prandom_u32() } & (WAYS - 1));
        self.cell(any).set(BUSY);
        any
    }

    /// Takes a slot from its key so that its value can be written anew. False if another key has
    /// it.
    #[inline(always)]
    pub(crate) fn reclaim(&self, slot: u32, key: u64) -> bool {
        self.cell(slot).exchange(key, BUSY)
    }

    /// Frees the slot of a key. Does nothing if another key has it.
    #[inline(always)]
    pub(crate) fn free(&self, slot: u32, key: u64) {
        self.cell(slot).exchange(key, FREE);
    }

    /// Makes a claimed slot, whose value is written, that of `key`. Without a memory barrier: a
    /// packet or a socket comes to another CPU by the kernel's own synchronisation.
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

    /// The preferred slot of a key: a multiplicative hash with 2^32 divided by the golden ratio.
    #[inline(always)]
    fn preferred(key: u64) -> u32 {
        const { assert!(N.is_power_of_two() && N > WAYS as usize) };
        low_word(key).wrapping_mul(0x9e37_79b9) >> (32 - N.trailing_zeros())
    }

    /// Masks a slot that is in bounds already. The compiler would omit the mask, but the verifier
    /// of 6.1 has lost the bound of a number that is a sum of bits.
    #[inline(always)]
    fn bounded(slot: u32) -> u32 {
        let mut slot = u64::from(slot);
        // SAFETY: arithmetic on one register.
        unsafe {
            asm!("{0} &= {1}", inout(reg) slot, const N - 1, options(pure, nomem, nostack));
        }
        slot as u32
    }

    /// The first slot of a slot's bucket.
    #[inline(always)]
    const fn bucket(slot: u32) -> u32 {
        slot & !(WAYS - 1)
    }
}

/// 1 for zero, 0 for everything else, without the branch that the compiler would generate.
#[inline(always)]
fn is_zero(word: u32) -> u32 {
    let mut borrow = u64::from(word);
    // SAFETY: arithmetic on one register.
    unsafe { asm!("{0} += -1", "{0} >>= 63", inout(reg) borrow, options(pure, nomem, nostack)) };
    borrow as u32
}

/// The number of the lowest bit that is set among the low eight.
#[inline(always)]
const fn lowest_bit(bits: u32) -> u32 {
    // A de Bruijn sequence of eight bits: the top three bits of each shift are unique, and are the
    // index of the number of places shifted.
    const SEQUENCE: u32 = 0b0001_1101;
    const NUMBERS: u32 = 0x3457_2610;
    let lowest = bits & bits.wrapping_neg();
    let begin = ((lowest * SEQUENCE) & 0xff) >> 5;
    NUMBERS >> (begin * 4) & 7
}

/// The low word of a key. If the key is a pointer, the verifier allows arithmetic on this part only
/// (kernel: check_alu_op, "partial copy of pointer", with CAP_PERFMON), and only after an
/// instruction that the compiler generates for no older target: hence written out.
#[inline(always)]
fn low_word(key: u64) -> u32 {
    let low: u64;
    // SAFETY: moves the low half of one register to another and clears the high half there.
    unsafe { asm!("w0 = w1", in("r1") key, lateout("r0") low, options(pure, nomem, nostack)) };
    low as u32
}
