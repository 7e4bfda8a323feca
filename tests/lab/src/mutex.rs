//! Mutexes whose value a panic cannot leave half-changed.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks the mutex, also after a panic in another thread that held it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
