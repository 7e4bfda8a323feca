//! Map memory: bytes that several parties access at the same time.
//!
//! While a program runs, other CPUs, programs that interrupt it on its own CPU and the agent may
//! load and store the same map value. A `&mut` to such a value would be a false promise. Map values
//! therefore consist of [`Shared`] cells, and [`MapValue::value`] is the only way to them.
//!
//! Why access to a cell is sound:
//! - One aligned load or store of at most 8 bytes, volatile, as by the kernel's READ_ONCE and
//!   WRITE_ONCE: the compiler neither splits nor repeats it. A load that races with a store gives
//!   the old value or the new one, never a part of each. (A relaxed atomic would generate the same
//!   instruction, but LLVM selects none for eBPF before release 21.)
//! - A cell holds integers, of which every bit pattern is valid. No value is trusted: an index is
//!   bounded after its load, and the verifier checks the bound.
//! - Map memory stays mapped while a program runs that uses the map. An element of a hash map can
//!   be given to another key meanwhile; its cells then hold integers of that key.
//!
//! There is no order between two cells, and `set(get() + 1)` can lose a concurrent update. What
//! that costs is documented at each map.

use core::{
    arch::asm,
    cell::UnsafeCell,
    ops::{BitAnd, BitOr, Not},
};

use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray};
use tracer_common::tuple::Tuple;

/// A value, or a part of one, in map memory.
#[repr(transparent)]
pub(crate) struct Shared<T>(UnsafeCell<T>);

// SAFETY: all access is by raw pointer, by helpers of the kernel, or by the loads and stores that
// the module's documentation justifies.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// For helpers of the kernel, and for [`field`].
    #[inline(always)]
    pub(crate) const fn as_ptr(&self) -> *mut T {
        self.0.get()
    }

    /// The cell at an address.
    ///
    /// # Safety
    ///
    /// `address` is aligned and within the value that `'a` borrows, which is accessed as cells
    /// only.
    #[inline(always)]
    pub(crate) const unsafe fn at<'a>(address: *mut T) -> &'a Self {
        // SAFETY: by contract; the layout is that of `T`.
        unsafe { &*address.cast::<Self>() }
    }
}

/// An integer that one instruction loads or stores.
pub(crate) trait Word:
    Copy + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self>
{
}

impl Word for u8 {}
impl Word for u16 {}
impl Word for u32 {}
impl Word for u64 {}

impl<T: Word> Shared<T> {
    #[inline(always)]
    pub(crate) fn get(&self) -> T {
        // SAFETY: see the module's documentation.
        unsafe { self.as_ptr().read_volatile() }
    }

    #[inline(always)]
    pub(crate) fn set(&self, value: T) {
        // SAFETY: see the module's documentation.
        unsafe { self.as_ptr().write_volatile(value) };
    }

    /// Not atomic: a store between the load and the store is lost.
    #[inline(always)]
    pub(crate) fn set_bits(&self, bits: T) {
        self.set(self.get() | bits);
    }

    /// Not atomic, as [`Self::set_bits`].
    #[inline(always)]
    pub(crate) fn clear_bits(&self, bits: T) {
        self.set(self.get() & !bits);
    }
}

impl Shared<u64> {
    /// Stores `new` if the cell holds `old`, in one step for all CPUs; whether it did.
    ///
    /// Written out because the instruction is of kernel 5.12, and the compiler generates it for no
    /// older target.
    #[inline(always)]
    pub(crate) fn exchange(&self, old: u64, new: u64) -> bool {
        let found: u64;
        // SAFETY: an atomic access to the cell, which is in map memory.
        unsafe {
            asm!(
                "r0 = cmpxchg_64({cell} + 0, r0, {new})",
                cell = in(reg) self.as_ptr(),
                new = in(reg) new,
                inlateout("r0") old => found,
            );
        }
        found == old
    }

    /// Adds in one step, whatever interrupts the program or runs on another CPU.
    #[inline(always)]
    pub(crate) fn add(&self, by: u64) {
        // SAFETY: an atomic access to the cell, which is in map memory.
        unsafe {
            asm!(
                "lock *(u64 *)({cell} + 0) += {by}",
                cell = in(reg) self.as_ptr(),
                by = in(reg) by,
            );
        }
    }

    /// Stores 0; the value before. Not atomic: a store between the load and the store is lost.
    #[inline(always)]
    pub(crate) fn take(&self) -> u64 {
        let value = self.get();
        self.set(0);
        value
    }
}

/// The cell of one field, or of one element, of a `Shared` record.
macro_rules! field {
    ($record:expr, $($path:tt)+) => {{
        let record = $record.as_ptr();
        // SAFETY: within the record, which is accessed as cells only; the verifier checks the bound
        // of an index.
        unsafe { $crate::shared::Shared::at(&raw mut (*record).$($path)+) }
    }};
}
pub(crate) use field;

/// A type whose values may be in map memory: it consists of [`Shared`] cells.
///
/// # Safety
///
/// Every byte of it is within a [`Shared`], and all zero is a valid value.
pub(crate) unsafe trait Cells {}

// SAFETY: one cell.
unsafe impl<T> Cells for Shared<T> {}
// SAFETY: cells in a row.
unsafe impl<T: Cells, const N: usize> Cells for [T; N] {}

/// Access to the values of a map.
pub(crate) trait MapValue<K, V: Cells + 'static> {
    /// The value of a key. In a map per CPU, that of this CPU.
    fn value(&self, key: K) -> Option<&'static V>;
}

macro_rules! map_values {
    ($($map:ty, $key:ty, $($generic:ident)+;)*) => {
        $(
            impl<$($generic,)+> MapValue<$key, V> for $map where V: Cells + 'static {
                #[inline(always)]
                fn value(&self, key: $key) -> Option<&'static V> {
                    // SAFETY: the helper returns null or the address of a value, which stays mapped
                    // until the program ends and consists of cells, so that others may write to it.
                    self.get_ptr_mut(key).map(|value| unsafe { &*value })
                }
            }
        )*
    };
}

map_values! {
    Array<V>, u32, V;
    PerCpuArray<V>, u32, V;
    HashMap<K, V>, K, K V;
    LruHashMap<K, V>, K, K V;
}

impl Shared<Tuple> {
    /// Stores each word of a tuple. Not atomic as a whole.
    #[inline(always)]
    pub(crate) fn copy_from(&self, tuple: &Tuple) {
        // SAFETY: the cell is aligned and in map memory.
        unsafe { copy_tuple(tuple, self.as_ptr()) };
    }
}

/// Copies a tuple word by word. An assignment of the whole becomes a loop over bytes, which the
/// verifier walks through for every path that leads there.
///
/// # Safety
///
/// `to` is an aligned address of a tuple in map memory or in a reserved record.
#[inline(always)]
pub(crate) unsafe fn copy_tuple(from: &Tuple, to: *mut Tuple) {
    let copy = |from: &[u32; 4], to: *mut [u32; 4]| {
        let to = to.cast::<u32>();
        // SAFETY: four words, aligned.
        unsafe {
            to.write_volatile(from[0]);
            to.add(1).write_volatile(from[1]);
            to.add(2).write_volatile(from[2]);
            to.add(3).write_volatile(from[3]);
        }
    };
    // SAFETY: fields of the tuple at `to`.
    unsafe {
        copy(&from.source_be, &raw mut (*to).source_be);
        copy(&from.destination_be, &raw mut (*to).destination_be);
        (&raw mut (*to).source_port_be).write_volatile(from.source_port_be);
        (&raw mut (*to).destination_port_be).write_volatile(from.destination_port_be);
    }
}
