//! The parity helper is broken on purpose: every mutation of a good result must fail.

mod common;

use common::fresh::Fresh;
use common::parity::{assert_close, compare};

const ATOL: f64 = 1e-6;
const RTOL: f64 = 1e-5;

fn reference() -> Vec<f32> {
    Fresh::new(0).normals(1000)
}

fn fails(got: &[f32], want: &[f32]) -> String {
    compare("mutation", got, want, ATOL, RTOL).expect_err("the mutation went unnoticed")
}

#[test]
fn a_copy_and_a_deviation_of_half_the_tolerance_pass() {
    let want = reference();
    assert_close("copy", &want.clone(), &want, 0.0, 0.0);
    let got: Vec<f64> = want.iter().map(|&w| w as f64 + 0.5 * (ATOL + RTOL * w.abs() as f64)).collect();
    assert_close("half", &got, &want, ATOL, RTOL);
}

#[test]
fn one_element_off_by_twice_the_tolerance_fails_wherever_it_is() {
    let want: Vec<f64> = reference().into_iter().map(f64::from).collect();
    for at in [0, 1, 499, 999] {
        for sign in [-1.0, 1.0] {
            let mut got = want.clone();
            got[at] += sign * 2.0 * (ATOL + RTOL * got[at].abs());
            let report = compare("off", &got, &want, ATOL, RTOL).expect_err("went unnoticed");
            assert!(report.contains("1 of 1000") && report.contains(&format!("[{at}]")), "{report}");
        }
    }
}

#[test]
fn zeros_and_truncations_and_empty_results_fail() {
    let want = reference();
    fails(&vec![0.0; want.len()], &want);
    fails(&want[..999], &want);
    fails(&[], &want);
    fails(&want.iter().copied().chain([0.0]).collect::<Vec<_>>(), &want);
}

#[test]
fn nan_fails_on_either_side_and_on_both() {
    let want = reference();
    let mut nan = want.clone();
    nan[17] = f32::NAN;
    fails(&nan, &want);
    fails(&want, &nan);
    fails(&nan.clone(), &nan);
}

#[test]
fn an_infinity_passes_only_as_itself() {
    let want = [1.0, f32::INFINITY];
    assert_close("same", &[1.0, f32::INFINITY], &want, ATOL, RTOL);
    fails(&[1.0, f32::MAX], &want);
    fails(&[1.0, f32::NEG_INFINITY], &want);
    fails(&want.clone(), &[1.0, 2.0]);
}

#[test]
fn the_reference_compared_with_itself_fails() {
    let want = reference();
    assert!(fails(&want, &want).contains("itself"));
}

#[test]
fn the_report_shows_the_first_five_pairs() {
    let report = fails(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 70.0]);
    assert!((0..5).all(|i| report.contains(&format!("[{i}] got"))), "{report}");
    assert!(report.contains("[6] got"), "{report}");
}
