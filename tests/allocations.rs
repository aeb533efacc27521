//! An iteration on the CPU engine allocates nothing after the first one. The tests of this binary take turns, because its
//! allocator counts what all threads do.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use flowmill::engine::EngineOptions;
use flowmill::train::{TrainOptions, Trainer};

mod common;
#[path = "training/support.rs"]
#[allow(dead_code, unused_imports)]
mod support;

use common::device::On;
use support::{environment, small, train};

struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

fn count() {
    if COUNTS.load(Ordering::Relaxed) {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of all threads while `body` runs.
fn allocations<T>(body: impl FnOnce() -> T) -> (T, u64) {
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    COUNTS.store(true, Ordering::SeqCst);
    let out = body();
    COUNTS.store(false, Ordering::SeqCst);
    (out, ALLOCATIONS.load(Ordering::SeqCst) - before)
}

/// The turn of a test.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let guard = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(allocations(|| std::hint::black_box(vec![1u8; 100])).1 > 0, "allocations are counted");
    guard
}

fn trainer(algorithm: &str, threads: usize) -> Trainer {
    let environment = environment("multigoal");
    let engine = EngineOptions { threads: Some(threads), ..On::Cpu.options() };
    let engine = flowmill::engine::Engine::new(&engine).unwrap();
    let algorithm = small(&environment, algorithm, &["num_envs=333", "minibatches=3"]);
    Trainer::new(engine, environment, TrainOptions { algorithm, seed: 1 }).unwrap()
}

#[test]
fn a_step_allocates_nothing_after_the_first_on_any_thread() {
    let _turn = turn();
    for algorithm in ["policyflow", "ppo"] {
        for threads in [1, 3] {
            let mut trainer = trainer(algorithm, threads);
            train(&mut trainer, 1);
            let (collect, learn) = trainer.recordings();
            let engine = trainer.engine();
            // So that every worker has met every kernel: the scratch of a kernel is that of its thread.
            engine.submit(&collect).and_then(|()| engine.submit(&learn)).unwrap();
            for iteration in 2..6 {
                let (done, count) = allocations(|| trainer.step());
                done.unwrap();
                assert_eq!(count, 0, "iteration {iteration} of {algorithm} with {threads} threads");
                trainer.drain().unwrap();
            }
        }
    }
}

#[test]
fn a_recording_allocates_nothing_after_the_first_time_on_any_thread() {
    let _turn = turn();
    for algorithm in ["policyflow", "ppo"] {
        for threads in [1, 3] {
            let mut trainer = trainer(algorithm, threads);
            train(&mut trainer, 1);
            let (collect, learn) = trainer.recordings();
            let engine = trainer.engine();
            // Once more, so that every worker has met every kernel: the scratch of a kernel is that of its thread.
            engine.submit(&collect).and_then(|()| engine.submit(&learn)).unwrap();
            let (done, count) =
                allocations(|| (0..5).try_for_each(|_| engine.submit(&collect).and_then(|()| engine.submit(&learn))));
            done.unwrap();
            assert_eq!(count, 0, "{} with {threads} threads", trainer.agent().update.name);
        }
    }
}
