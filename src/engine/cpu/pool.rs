//! Threads that share the tasks of one dispatch after another. The calling thread is worker 0 and works as well, so
//! that a training loop pays no hand-over; the others spin for a moment between dispatches and sleep after that.

use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The work of a dispatch: `job(task, worker)`.
type Job<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Turns of an idle worker before it sleeps: some tens of microseconds, about the time from one dispatch to the next.
const SPINS: u32 = 4_000;

/// Low bits of `Shared::state`: workers inside the open dispatch.
const INSIDE: u64 = 0xffff;
/// Bit of `Shared::state`: a dispatch is open. Above it, dispatches are counted.
const OPEN: u64 = 1 << 16;
const NEXT: u64 = 1 << 17;

/// A worker's own range of tasks; others take from it once theirs is done.
#[repr(align(128))]
struct Share {
    next: AtomicUsize,
    end: AtomicUsize,
}

struct Shared {
    /// Number of the dispatch, whether it is open, and how many workers are inside.
    state: AtomicU64,
    /// The open dispatch's work; written only while none is open and nobody is inside.
    job: UnsafeCell<Option<Job<'static>>>,
    shares: Vec<Share>,
    sleepers: AtomicUsize,
    bed: Mutex<()>,
    alarm: Condvar,
    leave: AtomicBool,
    failed: AtomicBool,
}

// SAFETY: `job` is the only part that is not `Sync` by itself; see there.
unsafe impl Sync for Shared {}
// SAFETY: a job is `Sync`, and so may be called from any thread.
unsafe impl Send for Shared {}

/// A fixed number of threads.
pub(super) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// A pool of `workers` threads, at least 1, the caller included. Fewer where the system has no more.
    pub(super) fn new(workers: usize) -> Self {
        let share = || Share { next: AtomicUsize::new(0), end: AtomicUsize::new(0) };
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            job: UnsafeCell::new(None),
            shares: (0..workers.max(1)).map(|_| share()).collect(),
            sleepers: AtomicUsize::new(0),
            bed: Mutex::new(()),
            alarm: Condvar::new(),
            leave: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        });
        let spawn = |worker: usize| {
            let shared = shared.clone();
            std::thread::Builder::new().name(format!("flowmill {worker}")).spawn(move || shared.serve(worker)).ok()
        };
        let threads = (1..workers).map_while(spawn).collect();
        Self { shared, threads }
    }

    /// Runs tasks `0..tasks` and returns when all are done; `false` if one of them panicked.
    pub(super) fn run(&mut self, tasks: usize, job: Job<'_>) -> bool {
        let shared = &*self.shared;
        if tasks <= 1 || self.threads.is_empty() {
            let all = || (0..tasks).for_each(|task| job(task, 0));
            return catch_unwind(AssertUnwindSafe(all)).is_ok();
        }
        let workers = shared.shares.len();
        for (worker, share) in shared.shares.iter().enumerate() {
            share.next.store(worker * tasks / workers, Ordering::Relaxed);
            share.end.store((worker + 1) * tasks / workers, Ordering::Relaxed);
        }
        // SAFETY: no dispatch is open and nobody is inside, so nobody reads `job`; it is taken back below before the
        // borrow ends, after the last worker has left.
        unsafe { *shared.job.get() = Some(std::mem::transmute::<Job<'_>, Job<'static>>(job)) };
        let state = shared.state.load(Ordering::Relaxed);
        shared.state.store(((state & !OPEN) + NEXT) | OPEN, Ordering::SeqCst);
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            let _guard = shared.bed.lock().unwrap_or_else(PoisonError::into_inner);
            shared.alarm.notify_all();
        }
        shared.work(job, 0);
        shared.state.fetch_and(!OPEN, Ordering::AcqRel);
        let mut turns = 0u32;
        while shared.state.load(Ordering::Acquire) & INSIDE != 0 {
            turns += 1;
            if turns.is_multiple_of(SPINS) { std::thread::yield_now() } else { spin_loop() }
        }
        // SAFETY: closed, and the last worker has left.
        unsafe { *shared.job.get() = None };
        !shared.failed.swap(false, Ordering::Relaxed)
    }

    /// Threads, the caller included.
    pub(super) fn workers(&self) -> usize {
        self.threads.len() + 1
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.leave.store(true, Ordering::SeqCst);
        {
            let _guard = self.shared.bed.lock().unwrap_or_else(PoisonError::into_inner);
            self.shared.alarm.notify_all();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Takes tasks until none is left: first the worker's own in order, then those of the others.
    fn work(&self, job: Job<'_>, worker: usize) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let workers = self.shares.len();
            for share in (0..workers).map(|k| &self.shares[(worker + k) % workers]) {
                loop {
                    let task = share.next.fetch_add(1, Ordering::Relaxed);
                    if task >= share.end.load(Ordering::Relaxed) {
                        break;
                    }
                    job(task, worker);
                }
            }
        }));
        if outcome.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
    }

    /// The life of a thread.
    fn serve(&self, worker: usize) {
        let mut last = 0;
        while let Some(number) = self.wait(last) {
            last = number;
            // Enter only while the dispatch is open, so that its caller waits for this worker.
            let entered = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
                (state & OPEN != 0 && state / NEXT == number).then_some(state + 1)
            });
            if entered.is_ok() {
                // SAFETY: inside an open dispatch; the caller waits with taking the job back.
                if let Some(job) = unsafe { *self.job.get() } {
                    self.work(job, worker);
                }
                self.state.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    /// The number of an open dispatch after `last`; `None` when the pool is being dropped.
    fn wait(&self, last: u64) -> Option<u64> {
        let open = || {
            let state = self.state.load(Ordering::SeqCst);
            (state & OPEN != 0 && state / NEXT != last).then_some(state / NEXT)
        };
        loop {
            for _ in 0..SPINS {
                if let Some(number) = open() {
                    return Some(number);
                }
                spin_loop();
            }
            if self.leave.load(Ordering::SeqCst) {
                return None;
            }
            let guard = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            // Looked at again under the lock: whoever opens a dispatch either sees this sleeper or is seen here.
            if open().is_none() && !self.leave.load(Ordering::SeqCst) {
                drop(self.alarm.wait(guard));
            }
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_exactly_once_for_any_number_of_threads() {
        for workers in [1, 2, 3, 7] {
            let mut pool = Pool::new(workers);
            for tasks in [0, 1, 2, 5, 64, 1000] {
                for _ in 0..50 {
                    let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                    let done = pool.run(tasks, &|task, worker| {
                        assert!(worker < workers);
                        counts[task].fetch_add(1, Ordering::Relaxed);
                    });
                    assert!(done);
                    assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{workers} {tasks}");
                }
            }
        }
    }

    #[test]
    fn a_worker_number_is_never_used_twice_at_a_time() {
        let mut pool = Pool::new(3);
        let busy: [AtomicBool; 3] = Default::default();
        for _ in 0..200 {
            let done = pool.run(30, &|_, worker| {
                assert!(!busy[worker].swap(true, Ordering::SeqCst));
                std::hint::black_box((0..500).sum::<u64>());
                busy[worker].store(false, Ordering::SeqCst);
            });
            assert!(done);
        }
    }

    #[test]
    fn a_panic_is_reported_and_the_pool_goes_on() {
        let mut pool = Pool::new(2);
        assert!(!pool.run(10, &|task, _| assert!(task != 7, "on purpose")));
        assert!(pool.run(10, &|_, _| {}));
        assert_eq!(pool.workers(), 2);
    }

    #[test]
    fn sleeping_workers_wake_up() {
        let mut pool = Pool::new(2);
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(30));
            let helped = AtomicBool::new(false);
            let started = std::time::Instant::now();
            pool.run(2, &|task, worker| {
                helped.fetch_or(worker == 1, Ordering::SeqCst);
                // The caller's own task leaves time to wake up.
                while task == 0 && !helped.load(Ordering::SeqCst) && started.elapsed().as_millis() < 2000 {
                    spin_loop();
                }
            });
            assert!(helped.load(Ordering::SeqCst));
        }
    }
}
