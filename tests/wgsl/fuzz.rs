//! Random valid programs, here and on the driver. FLOWMILL_TEST_SEED repeats a run.

use crate::author::{Author, ROWS};
use crate::common::fresh::{Fresh, poison};
use crate::run::{close, driver, executor, kernel, on_driver};

fn rows(fresh: &mut Fresh) -> Vec<f32> {
    let mut rows = Vec::new();
    for row in 0..ROWS as u32 {
        let a = (fresh.word() as i32) >> (row % 30);
        let b = fresh.word() >> (row % 29);
        rows.extend([f32::from_bits(a as u32), f32::from_bits(b)]);
        rows.extend(fresh.normals(2));
        rows.extend([0.0, f32::from_bits(fresh.word())]);
    }
    rows
}

#[test]
fn random_programs_give_what_the_driver_gives_and_the_same_bytes_on_every_instruction_set() {
    let mut fresh = Fresh::new(0x901);
    let count: u32 = std::env::var("FLOWMILL_FUZZ").ok().map_or(3, |text| text.parse().expect("FLOWMILL_FUZZ"));
    let mut engine = driver();
    for number in 0..count {
        let text = Author::new(&mut fresh).module(4);
        let desc = kernel(&format!("fuzz_{number}"), &text, &["rows", "floats", "words"]);
        let (rows, floats, words) = (rows(&mut fresh), poison(ROWS * 8), poison(ROWS * 7));
        let contents: [&[f32]; 3] = [&rows, &floats, &words];
        if let Err(error) = flowmill::engine::reflect(&text) {
            panic!("the generator wrote a wrong program: {error}");
        }
        let got = executor(&desc, &contents, &[], [2, 1, 1]);
        let Some(engine) = &mut engine else { continue };
        let want = on_driver(engine, &desc, &contents, [2, 1, 1]);
        for (buffer, width) in [(1, 8), (2, 7)] {
            for (index, (a, b)) in got[buffer].iter().zip(&want[buffer]).enumerate() {
                let same = if buffer == 1 { close(*a, *b, 1e-5, 1e-5) } else { a.to_bits() == b.to_bits() };
                if !same {
                    let (row, column) = (index / width, index % width);
                    panic!(
                        "program {number}, buffer {buffer}, row {row}, value {column}: {a:?} ({:#x}), not {b:?} ({:#x})\n{text}",
                        a.to_bits(),
                        b.to_bits()
                    );
                }
            }
        }
    }
}

#[test]
fn a_changed_operator_changes_what_a_random_program_gives() {
    let mut fresh = Fresh::new(0x904);
    let text = Author::new(&mut fresh).module(3);
    let (rows, floats, words) = (rows(&mut fresh), poison(ROWS * 8), poison(ROWS * 7));
    let run = |text: &str| {
        let desc = kernel("fuzz_changed", text, &["rows", "floats", "words"]);
        let buffers = executor(&desc, &[&rows, &floats, &words], &[], [2, 1, 1]);
        buffers.iter().flatten().map(|word| word.to_bits()).collect::<Vec<_>>()
    };
    let right = run(&text);
    let changed = |(at, from): (usize, &str)| format!("{} ^ {}", &text[..at], &text[at + from.len()..]);
    let seen = text.match_indices(" | ").take(24).filter(|&place| {
        let text = changed(place);
        flowmill::engine::reflect(&text).is_ok() && run(&text) != right
    });
    assert!(seen.count() > 0);
}
