//! The TensorBoard file, read by a reader of its own and by TensorBoard's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flowmill::report::{MetricsLog, RunDir, read_metrics};

use crate::{TAGS, row, run_with_rows};

fn event_files(dir: &RunDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.to_string_lossy().contains("events.out.tfevents.")).collect();
    files.sort();
    files
}

/// CRC-32C bit by bit, so that the reader shares no code with the writer.
fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 })
    })
}

#[derive(Debug, Default, PartialEq)]
struct Event {
    step: u64,
    file_version: Option<String>,
    session_status: Option<u64>,
    scalars: Vec<(String, f32)>,
}

/// The frames of a TFRecord file, with both checksums of each checked.
fn frames(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut at, mut frames) = (0, Vec::new());
    let masked = |data: &[u8]| (crc32c(data) >> 15 | crc32c(data) << 17).wrapping_add(0xa282_ead8);
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        assert_eq!(word(at + 8), masked(&bytes[at..at + 8]), "checksum of a length");
        let data = &bytes[at + 12..at + 12 + length];
        assert_eq!(word(at + 12 + length), masked(data), "checksum of the data");
        frames.push(data);
        at += 16 + length;
    }
    frames
}

/// (field, value) pairs of a message; length-delimited values as bytes, the others as their little-endian bytes.
fn fields(mut data: &[u8]) -> Vec<(u64, Vec<u8>)> {
    fn varint(data: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = data[0];
            *data = &data[1..];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }
    let mut out = Vec::new();
    while !data.is_empty() {
        let key = varint(&mut data);
        let length = match key & 7 {
            0 => {
                out.push((key >> 3, varint(&mut data).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => varint(&mut data) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (value, rest) = data.split_at(length);
        out.push((key >> 3, value.to_vec()));
        data = rest;
    }
    out
}

fn events(path: &Path) -> Vec<Event> {
    let bytes = fs::read(path).unwrap();
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let parse = |frame: &&[u8]| {
        let mut event = Event::default();
        for (field, value) in fields(frame) {
            match field {
                1 => assert!(f64::from_bits(number(&value)) > 1.6e9, "wall time in Unix seconds"),
                2 => event.step = number(&value),
                3 => event.file_version = Some(text(&value)),
                5 => {
                    for (field, entry) in fields(&value) {
                        assert_eq!(field, 1);
                        let entry = fields(&entry);
                        assert_eq!((entry[0].0, entry[1].0), (1, 2));
                        event
                            .scalars
                            .push((text(&entry[0].1), f32::from_le_bytes(entry[1].1.as_slice().try_into().unwrap())));
                    }
                }
                7 => event.session_status = Some(number(&fields(&value)[0].1)),
                other => panic!("field {other}"),
            }
        }
        event
    };
    frames(&bytes).iter().map(parse).collect()
}

#[test]
fn the_tensorboard_file_has_sound_checksums_and_the_scalars_of_the_csv_file() {
    let (_parent, dir) = run_with_rows(0..5);
    let files = event_files(&dir);
    assert_eq!(files.len(), 1);
    let name = files[0].file_name().unwrap().to_str().unwrap();
    let parts: Vec<&str> = name.splitn(5, '.').collect();
    assert_eq!(parts[..3], ["events", "out", "tfevents"]);
    assert!(parts[3].parse::<u64>().unwrap() > 1_600_000_000 && !parts[4].is_empty(), "{name}");

    let events = events(&files[0]);
    assert_eq!(events[0], Event { file_version: Some("brain.Event:2".into()), ..Event::default() });
    let table = read_metrics(dir.path()).unwrap();
    assert_eq!(events.len(), 1 + table.iteration.len());
    for (index, event) in events[1..].iter().enumerate() {
        assert_eq!(event.step, table.iteration[index]);
        assert_eq!(event.scalars.len(), TAGS.len());
        for (tag, value) in &event.scalars {
            let expected = table.column(tag).unwrap()[index] as f32;
            assert!(*value == expected || value.is_nan() && expected.is_nan(), "{tag}: {value} against {expected}");
        }
    }
}

#[test]
fn a_resumed_run_adds_an_event_file_that_restarts_at_the_resumed_step() {
    let (_parent, dir) = run_with_rows(0..6);
    MetricsLog::resume(&dir, &TAGS, 3).unwrap().write(&row(3)).unwrap();
    let files = event_files(&dir);
    assert_eq!(files.len(), 2);
    let resumed = files.iter().map(|file| events(file)).find(|events| events.len() == 3).expect("the resumed file");
    assert_eq!((resumed[1].step, resumed[1].session_status), (3, Some(1)));
    assert_eq!(resumed[2].step, 3);
}

#[test]
fn the_tensorboard_package_reads_the_scalars_and_forgets_what_a_resume_replaced() {
    let available = Command::new("python3").args(["-c", "import tensorboard"]).output();
    if !available.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: python3 with the tensorboard package is not installed");
        return;
    }
    let (_parent, dir) = run_with_rows(0..6);
    let mut log = MetricsLog::resume(&dir, &TAGS, 3).unwrap();
    for iteration in 3..5 {
        log.write(&row(iteration)).unwrap();
    }
    let script = "
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1]); events.Reload()
print(json.dumps({tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()['scalars']}))";
    let output = Command::new("python3").arg("-c").arg(script).arg(dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: serde_json::Value =
        serde_json::from_str(&String::from_utf8(output.stdout).unwrap().replace("NaN", "null")).unwrap();
    assert_eq!(read.as_object().unwrap().len(), TAGS.len());
    let table = read_metrics(dir.path()).unwrap();
    for tag in TAGS {
        let points = read[tag].as_array().unwrap();
        assert_eq!(points.len(), table.iteration.len(), "{tag}: {points:?}");
        for (index, point) in points.iter().enumerate() {
            assert_eq!(point[0].as_u64(), Some(table.iteration[index]), "{tag}");
            let expected = table.column(tag).unwrap()[index] as f32;
            let value = point[1].as_f64().map_or(f32::NAN, |value| value as f32);
            assert!(value == expected || value.is_nan() && expected.is_nan(), "{tag}: {value} against {expected}");
        }
    }
}
