//! TensorBoard event files: TFRecord frames around hand-encoded `Event` messages. Two message types and one number
//! format are all that scalars need, so there is no protocol-buffer compiler here.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::ReportError;

/// Writes scalars to one `events.out.tfevents.<seconds>.<host>` file.
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    file: File,
}

impl EventWriter {
    /// Makes a new event file in `dir`. With `restart` set, TensorBoard drops the points of that step and later ones
    /// that earlier files of the same directory hold (a `SessionLog` of status START).
    ///
    /// # Errors
    /// [`ReportError::Io`].
    pub fn create(dir: &Path, restart: Option<u64>) -> Result<Self, ReportError> {
        let name = format!("events.out.tfevents.{}.{}", unix_seconds() as u64, host_name());
        let mut path = dir.join(&name);
        let mut copy = 1;
        // A run resumed within the second in which it began must not write over its first file.
        let file = loop {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => break file,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    copy += 1;
                    path = dir.join(format!("{name}.{copy}"));
                }
                Err(source) => return Err(ReportError::io("write", &path, source)),
            }
        };
        let mut writer = Self { path, file };
        let mut version = event(0);
        bytes_field(&mut version, 3, b"brain.Event:2"); // Event.file_version
        writer.record(&version)?;
        if let Some(step) = restart {
            let mut start = event(step);
            bytes_field(&mut start, 7, &[0x08, 0x01]); // Event.session_log { status: START }
            writer.record(&start)?;
        }
        Ok(writer)
    }

    /// The file written to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one event with all scalars of a step; values are stored as f32.
    ///
    /// # Errors
    /// [`ReportError::Io`].
    pub fn scalars(&mut self, step: u64, values: &[(String, f64)]) -> Result<(), ReportError> {
        let mut summary = Vec::new();
        for (tag, value) in values {
            let mut entry = Vec::new();
            bytes_field(&mut entry, 1, tag.as_bytes()); // Value.tag
            key(&mut entry, 2, WIRE_FIXED32); // Value.simple_value
            entry.extend_from_slice(&(*value as f32).to_le_bytes());
            bytes_field(&mut summary, 1, &entry); // Summary.value
        }
        let mut message = event(step);
        bytes_field(&mut message, 5, &summary); // Event.summary
        self.record(&message)
    }

    /// One TFRecord frame: length, its checksum, the bytes, their checksum.
    fn record(&mut self, data: &[u8]) -> Result<(), ReportError> {
        let length = (data.len() as u64).to_le_bytes();
        let mut frame = Vec::with_capacity(data.len() + 16);
        frame.extend_from_slice(&length);
        frame.extend_from_slice(&masked_crc(&length).to_le_bytes());
        frame.extend_from_slice(data);
        frame.extend_from_slice(&masked_crc(data).to_le_bytes());
        // One write a frame: a reader that follows the file sees whole frames.
        self.file.write_all(&frame).map_err(|source| ReportError::io("write", &self.path, source))
    }
}

const WIRE_VARINT: u64 = 0;
const WIRE_FIXED64: u64 = 1;
const WIRE_BYTES: u64 = 2;
const WIRE_FIXED32: u64 = 5;

/// An `Event` with its first two fields: wall time and step.
fn event(step: u64) -> Vec<u8> {
    let mut message = Vec::new();
    key(&mut message, 1, WIRE_FIXED64);
    message.extend_from_slice(&unix_seconds().to_le_bytes());
    key(&mut message, 2, WIRE_VARINT);
    varint(&mut message, step);
    message
}

fn key(out: &mut Vec<u8>, field: u64, wire_type: u64) {
    varint(out, field << 3 | wire_type);
}

fn bytes_field(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    key(out, field, WIRE_BYTES);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Seven bits a byte, lowest first, the high bit set on all but the last.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// CRC-32C, rotated and offset so that a checksum of data that holds checksums stays sound (TFRecord format).
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

/// The machine's name for the file name; only letters, digits and hyphens are kept.
fn host_name() -> String {
    let raw = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .ok()
        .or_else(|| ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|name| std::env::var(name).ok()))
        .unwrap_or_default();
    let name: String = raw.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_follow_the_protocol_buffer_examples() {
        for (value, expected) in [(0, &[0x00][..]), (1, &[0x01]), (150, &[0x96, 0x01]), (300, &[0xac, 0x02])] {
            let mut out = Vec::new();
            varint(&mut out, value);
            assert_eq!(out, expected, "{value}");
        }
    }

    #[test]
    fn checksum_is_the_published_crc32c_under_the_tfrecord_mask() {
        // CRC-32C of "123456789" is e3069283 (RFC 3720, B.4 uses the same polynomial).
        assert_eq!(masked_crc(b"123456789"), 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }
}
