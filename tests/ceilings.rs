//! The ceilings of an adapter are measured, and what is measured makes sense.

mod common;

use common::device::{On, on_both_engines};
use flowmill::bench::measure;

on_both_engines!(every_ceiling_is_a_positive_number_and_the_parts_fit_together);

fn every_ceiling_is_a_positive_number_and_the_parts_fit_together(on: On) {
    let mut engine = on.unchecked_engine();
    let ceilings = measure(&mut engine).unwrap();
    println!("{on}: {ceilings:?}");
    for value in [ceilings.fma_gflops, ceilings.copy_gbytes, ceilings.submit_wait_us] {
        assert!(value.is_finite() && value > 0.0, "{ceilings:?}");
    }
    assert!(ceilings.empty_dispatch_us >= 0.0, "{ceilings:?}");
    // One dispatch behind others is cheaper than one that is submitted and waited for.
    assert!(ceilings.empty_dispatch_us <= ceilings.submit_wait_us, "{ceilings:?}");
    // The slowest computer this could run on multiplies faster than that, and the fastest slower.
    assert!((0.1..1e6).contains(&ceilings.fma_gflops) && (0.1..1e5).contains(&ceilings.copy_gbytes), "{ceilings:?}");
}
