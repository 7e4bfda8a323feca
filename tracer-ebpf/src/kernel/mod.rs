//! The only module that reads kernel structures.
//!
//! Each file wraps one structure. A wrapper holds a pointer that the kernel has passed to a program
//! (a tracepoint argument, the context of a netfilter program), or one found behind such a pointer.
//! Offsets are read-only globals that the agent fills from the kernel's BTF. The verifier sees
//! constants and checks each typed load against the kernel's own types. A load through a stale
//! pointer gives zero instead of a fault. The kernel may write the structures at the same time; all
//! values are integers.

pub(crate) mod conntrack;
pub(crate) mod device;
pub(crate) mod skb;
pub(crate) mod sock;

use core::ffi::c_void;

use aya_ebpf::Global;

/// Declares the globals that hold offsets. Does not compile unless `tracer_common::offset::FIELDS`
/// names each of them.
macro_rules! offsets {
    ($($name:ident),* $(,)?) => {
        $(
            #[unsafe(no_mangle)]
            static $name: aya_ebpf::Global<u32> = aya_ebpf::Global::new(0);
            const _: () = assert!(tracer_common::offset::is_named(stringify!($name)));
        )*
    };
}
pub(crate) use offsets;

/// A field of a structure whose type the verifier knows.
///
/// # Safety
///
/// `base` is a typed kernel pointer, and the field at `offset` is a `T`.
#[inline(always)]
unsafe fn field<T>(base: *const c_void, offset: &Global<u32>) -> T {
    // SAFETY: by contract; the verifier checks it again against BTF.
    unsafe { core::ptr::read_volatile(base.byte_add(offset.load() as usize).cast::<T>()) }
}
