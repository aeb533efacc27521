//! NumPy's files: arrays in (`.npy`), named arrays out (`.npz`).
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>, versions 1 to 3.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// An array in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Lengths of its axes.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub values: Vec<f64>,
}

/// A file that cannot be read as an array.
#[derive(Debug, thiserror::Error)]
pub enum NumpyError {
    /// The system's reason.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What is wrong with the contents, and what was expected.
    #[error("{}: {message}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// Reads an array of f32 or f64.
///
/// # Errors
/// A file that cannot be read, is no such array, is shorter or longer than its shape, or is in column-major order.
pub fn read(path: &Path) -> Result<Array, NumpyError> {
    let bytes = std::fs::read(path).map_err(|source| NumpyError::Io { path: path.into(), source })?;
    parse(&bytes).map_err(|message| NumpyError::Format { path: path.into(), message })
}

fn parse(bytes: &[u8]) -> Result<Array, String> {
    let start = bytes.strip_prefix(b"\x93NUMPY").ok_or("not a NumPy file (.npy)")?;
    let cut = || "the header is cut off".to_string();
    let (length, rest) = match start {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        _ => return Err(cut()),
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = String::from_utf8_lossy(header);
    let field = |name: &str| header.split_once(&format!("'{name}':")).map(|(_, rest)| rest.trim_start());
    let missing = |name: &str| format!("the header has no `{name}`");

    if !field("fortran_order").ok_or_else(|| missing("fortran_order"))?.starts_with("False") {
        return Err("is in Fortran order, expected C order (numpy.ascontiguousarray)".into());
    }
    let shape =
        field("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')')).ok_or_else(|| missing("shape"))?.0;
    let axes = shape.split(',').map(str::trim).filter(|axis| !axis.is_empty());
    let shape: Vec<usize> = axes.map(str::parse).collect::<Result<_, _>>().map_err(|_| missing("shape"))?;
    let kind =
        field("descr").and_then(|rest| rest.strip_prefix('\'')?.split_once('\'')).ok_or_else(|| missing("descr"))?.0;
    let values: Vec<f64> = match kind {
        "<f8" => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        "<f4" => data.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        other => return Err(format!("holds `{other}`, expected `<f4` or `<f8` (float32 or float64)")),
    };
    let count = shape.iter().try_fold(1_usize, |product, &axis| product.checked_mul(axis));
    match count {
        Some(count) if count == values.len() => Ok(Array { shape, values }),
        _ => Err(format!("has {} numbers, its shape {shape:?} says otherwise", values.len())),
    }
}

/// The bytes of an `.npz` file with the named arrays, in f64, not compressed.
///
/// # Errors
/// What the archive's writer says.
pub fn npz(arrays: &[(&str, &Array)]) -> Result<Vec<u8>, zip::result::ZipError> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, array) in arrays {
        let large = array.values.len() >= 1 << 28;
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
        archive.start_file(format!("{name}.npy"), options)?;
        archive.write_all(&header(&array.shape))?;
        for chunk in array.values.chunks(1 << 12) {
            let bytes: Vec<u8> = chunk.iter().flat_map(|value| value.to_le_bytes()).collect();
            archive.write_all(&bytes)?;
        }
    }
    Ok(archive.finish()?.into_inner())
}

/// The header of an array of f64, padded so that the data begins at a multiple of 64.
fn header(shape: &[usize]) -> Vec<u8> {
    let axes: String = shape.iter().map(|axis| format!("{axis},")).collect();
    let mut text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({axes}), }}");
    let used = 10 + text.len() + 1;
    text.push_str(&" ".repeat(used.next_multiple_of(64) - used));
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(text.into_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn an_array_written_is_the_array_read() {
        for shape in [vec![], vec![3], vec![2, 3], vec![2, 0, 5]] {
            let values: Vec<f64> = (0..shape.iter().product()).map(|k| k as f64 * 0.1 - 0.05).collect();
            let mut bytes = header(&shape);
            assert_eq!(bytes.len() % 64, 0);
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            assert_eq!(parse(&bytes).unwrap(), Array { shape, values });
        }
    }

    #[test]
    fn what_is_no_array_of_floats_is_refused_with_what_was_expected() {
        let head = |kind: &str, order: &str, shape: &str| {
            format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}\n")
        };
        let one = 1.0_f64.to_le_bytes();
        let cases = [
            (b"text".to_vec(), "not a NumPy file"),
            (b"\x93NUMPY\x01\x00\xff\xff{".to_vec(), "the header is cut off"),
            (file(&head("<i8", "False", "(1,)"), &one), "holds `<i8`, expected `<f4` or `<f8`"),
            (file(&head("<f8", "True", "(1,)"), &one), "is in Fortran order, expected C order"),
            (file(&head("<f8", "False", "(2,)"), &one), "has 1 numbers, its shape [2] says otherwise"),
            (file("{}", &one), "the header has no `fortran_order`"),
        ];
        for (bytes, want) in cases {
            let got = parse(&bytes).unwrap_err();
            assert!(got.contains(want), "{got}");
        }
    }
}
