//! The one comparison of device results with a reference. It is broken on purpose in tests/parity_helper.rs.

use std::fmt::Write as _;

/// Every element of `got` within `atol + rtol |want|` of its reference; a NaN on either side never passes, an infinity
/// only as itself. Different lengths, or a slice compared with itself, fail.
pub fn compare<G, W>(name: &str, got: &[G], want: &[W], atol: f64, rtol: f64) -> Result<(), String>
where
    G: Copy + Into<f64>,
    W: Copy + Into<f64>,
{
    if !got.is_empty() && std::ptr::addr_eq(got.as_ptr(), want.as_ptr()) {
        return Err(format!("{name}: the reference was compared with itself"));
    }
    if got.len() != want.len() {
        return Err(format!("{name}: {} elements, the reference has {}", got.len(), want.len()));
    }
    let pairs = || got.iter().zip(want).map(|(&g, &w)| (g.into(), w.into())).enumerate();
    let passes = |g: f64, w: f64| (g - w).abs() <= atol + rtol * w.abs() && w.is_finite() || g == w;
    let mut wrong = pairs().filter(|&(_, (g, w))| !passes(g, w)).peekable();
    let Some(&(first, _)) = wrong.peek() else { return Ok(()) };
    let mut report =
        format!("{name}: {} of {} differ by more than {atol:e} + {rtol:e} |ref|", wrong.count(), got.len());
    let mut show = |title: &str, from: usize| {
        let _ = write!(report, "\n  {title}:");
        for (i, (g, w)) in pairs().skip(from).take(5) {
            let _ = write!(report, "\n    [{i}] got {g:e}, reference {w:e}, difference {:e}", g - w);
        }
    };
    show("first five pairs", 0);
    show("five pairs from the first that differs", first);
    Err(report)
}

/// Panics with the report of [`compare`].
#[track_caller]
pub fn assert_close<G, W>(name: &str, got: &[G], want: &[W], atol: f64, rtol: f64)
where
    G: Copy + Into<f64>,
    W: Copy + Into<f64>,
{
    if let Err(report) = compare(name, got, want, atol, rtol) {
        panic!("{report}");
    }
}
