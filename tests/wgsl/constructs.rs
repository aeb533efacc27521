//! Every accepted construct on fresh inputs.

use crate::common::fresh::{Fresh, poison, poisoned};
use crate::run::{close, driver, executor, kernel, on_driver};

const MODULE: &str = include_str!("constructs.wgsl");
const ROWS: usize = 150; // not a multiple of the workgroup
const WIDTH: [usize; 2] = [256, 192];
const STRUCT_WORDS: usize = 24;

/// The lines of `put` (0) or of the integer writes (1), in the order in which they run.
fn lines(which: usize) -> Vec<usize> {
    let mut lines = Vec::new();
    let start = MODULE.lines().position(|line| line.starts_with("fn arithmetic")).unwrap();
    for (number, line) in MODULE.lines().enumerate().skip(start) {
        for (at, _) in line.match_indices("put") {
            let call = &line[at..];
            match which {
                0 if call.starts_with("put(") => lines.push(number + 1),
                0 if call.starts_with("put2(") => lines.extend([number + 1; 2]),
                1 if ["puti(", "putu(", "putb("].iter().any(|name| call.starts_with(name)) => lines.push(number + 1),
                _ => {}
            }
        }
    }
    lines
}

/// What the driver is allowed besides a relative error of 1e-5: WGSL promises only absolute accuracy to some functions.
fn absolute(line: &str) -> f32 {
    let loose = ["sin(", "cos(", "tan(", "asin", "acos", "atan", "tanh", "sinh", "log", "%", "exp", "pow", "acosh"];
    if loose.iter().any(|name| line.contains(name)) { 5e-4 } else { 2e-6 }
}

fn rows(fresh: &mut Fresh) -> Vec<f32> {
    let mut rows = Vec::new();
    for row in 0..ROWS {
        rows.extend(fresh.normals(8));
        let small = |word: u32| (word as i32) >> (word & 31);
        let signed = [small(fresh.word()), small(fresh.word()), (fresh.word() & 3) as i32 - 1, (row % 3) as i32 - 1];
        let unsigned = [fresh.word() >> (row % 28), fresh.word() >> (row % 31), fresh.word() & 0xff, (row % 4) as u32];
        rows.extend(signed.map(|word| f32::from_bits(word as u32)));
        rows.extend(unsigned.map(f32::from_bits));
    }
    rows
}

#[test]
fn every_construct_gives_what_the_driver_gives_and_the_same_bytes_on_every_instruction_set() {
    let mut fresh = Fresh::new(0x900);
    let desc = kernel("constructs", MODULE, &["rows", "floats", "words", "structs"]);
    let (rows, floats, words) = (rows(&mut fresh), poison(ROWS * WIDTH[0]), poison(ROWS * WIDTH[1]));
    let structs = vec![0.0; ROWS * STRUCT_WORDS];
    let contents: [&[f32]; 4] = [&rows, &floats, &words, &structs];
    let groups = [3, 1, 1];
    let got = executor(&desc, &contents, &[], groups);
    let Some(mut engine) = driver() else { return };
    let want = on_driver(&mut engine, &desc, &contents, groups);

    let text: Vec<&str> = MODULE.lines().collect();
    let mut wrong = Vec::new();
    for (which, width) in WIDTH.into_iter().enumerate() {
        let lines = lines(which);
        assert!(lines.len() <= width, "{} values", lines.len());
        for (index, (got, want)) in got[1 + which].iter().zip(&want[1 + which]).enumerate() {
            let (row, column) = (index / width, index % width);
            let Some(&line) = lines.get(column) else {
                assert!(poisoned(*got) && poisoned(*want), "more values than lines: {column}");
                continue;
            };
            let source = text[line - 1];
            let same = match which {
                0 => close(*got, *want, 1e-5, absolute(source)),
                _ => got.to_bits() == want.to_bits(),
            };
            if !same {
                let values = if which == 0 {
                    format!("{got:?}, not {want:?}")
                } else {
                    format!("{:#x}, not {:#x}", got.to_bits(), want.to_bits())
                };
                wrong.push(format!("line {line}, row {row}: {values}: {}", source.trim()));
            }
        }
    }
    let structs = got[3].iter().zip(&want[3]).position(|(a, b)| !close(*a, *b, 1e-6, 0.0));
    assert!(wrong.is_empty(), "{} values differ\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
    assert_eq!(structs, None, "word of the structs");
}
