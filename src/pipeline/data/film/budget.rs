//! Memory budget of decoding, over all threads.

use std::sync::{Condvar, Mutex, PoisonError};

/// Budget of the bytes of files that are being read.
pub(in crate::data) static FILES: MemoryBudget = MemoryBudget::new(512 << 20);
/// Budget of films' pixels while they are decoded and resized: the largest film, or twenty usual ones at once. A share
/// of [`FILES`] may be held while one of these is waited for, never the other way round, so that no two threads wait
/// for each other.
pub(in crate::data) static PIXELS: MemoryBudget = MemoryBudget::new(2 << 30);

/// Budget of bytes that all threads share. A film that needs more than there are has them to
/// itself.
pub(in crate::data) struct MemoryBudget {
    most: usize,
    used: Mutex<usize>,
    freed: Condvar,
}

impl MemoryBudget {
    const fn new(most: usize) -> Self {
        Self { most, used: Mutex::new(0), freed: Condvar::new() }
    }

    /// Takes so many bytes, once there are as many.
    pub fn take(&'static self, bytes: usize) -> Share {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |used: &mut usize| *used > 0 && *used + bytes > self.most;
        let mut used = self.freed.wait_while(used, full).unwrap_or_else(PoisonError::into_inner);
        *used += bytes;
        Share { of: self, bytes }
    }
}

/// Share of a budget, given back when it is dropped.
pub(in crate::data) struct Share {
    of: &'static MemoryBudget,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        *self.of.used.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.of.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn threads_never_hold_more_than_there_is_but_for_one_alone() {
        static SMALL: MemoryBudget = MemoryBudget::new(100);
        let (held, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let each = |bytes: usize| {
            for _ in 0..200 {
                let share = SMALL.take(bytes);
                let now = held.fetch_add(bytes, Ordering::SeqCst) + bytes;
                assert!(now <= 100 || now == bytes, "{now}");
                most.fetch_max(now, Ordering::SeqCst);
                std::thread::yield_now();
                held.fetch_sub(bytes, Ordering::SeqCst);
                drop(share);
            }
        };
        std::thread::scope(|scope| {
            for bytes in [10, 30, 60, 90, 250] {
                scope.spawn(move || each(bytes));
            }
        });
        assert_eq!(most.into_inner(), 250);
    }
}
