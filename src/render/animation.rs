//! Pictures as an animated GIF: one palette for all of them, and of each picture only what has changed.

use std::collections::HashMap;

use color_quant::NeuQuant;
use gif::{DisposalMethod, Encoder, Frame, Repeat};

use super::{Picture, RenderError};

/// Colours of the palette; the index behind them says that a pixel stays as it was. Pictures are of few colours and the mixtures at
/// their edges: 255 colours look the same and take a quarter more bytes.
const COLORS: usize = 63;
const UNCHANGED: u8 = COLORS as u8;
/// Every such pixel teaches the palette, 1 to 30.
const SAMPLED: i32 = 7;

/// A GIF file in the making.
pub struct Animation {
    encoder: Encoder<Vec<u8>>,
    palette: NeuQuant,
    /// Indices of colours seen so far.
    known: HashMap<[u8; 4], u8>,
    /// [height, width]: the last picture.
    shown: Vec<u8>,
    size: (u16, u16),
    frames: usize,
}

impl Animation {
    /// With the palette that suits some of its pictures, which must be of the animation's size; it plays again and again.
    ///
    /// # Errors
    /// No picture, or one that is larger than 65535 pixels.
    pub fn new(samples: &[Picture]) -> Result<Self, RenderError> {
        let (width, height) = samples.first().map_or((0, 0), Picture::size);
        let (Ok(width), Ok(height)) = (u16::try_from(width), u16::try_from(height)) else {
            return Err(RenderError::Drawing(format!("a GIF of {width} x {height} pixels")));
        };
        let pixels: Vec<u8> = samples.iter().flat_map(Picture::rgba).copied().collect();
        let palette = NeuQuant::new(SAMPLED, COLORS, &pixels);
        let mut encoder = Encoder::new(Vec::new(), width, height, &palette.color_map_rgb()).map_err(failed)?;
        encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
        Ok(Self { encoder, palette, known: HashMap::new(), shown: Vec::new(), size: (width, height), frames: 0 })
    }

    /// Adds a picture that is shown for so many hundredths of a second.
    ///
    /// # Errors
    /// A picture of another size.
    pub fn push(&mut self, picture: &Picture, delay: u16) -> Result<(), RenderError> {
        let (width, height) = (usize::from(self.size.0), usize::from(self.size.1));
        if picture.size() != (width as u32, height as u32) {
            return Err(RenderError::Drawing(format!(
                "a picture of {:?} pixels in a GIF of {:?}",
                picture.size(),
                self.size
            )));
        }
        let mut indices = Vec::with_capacity(width * height);
        for pixel in picture.rgba().chunks_exact(4) {
            let key = [pixel[0], pixel[1], pixel[2], pixel[3]];
            indices.push(*self.known.entry(key).or_insert_with(|| self.palette.index_of(pixel) as u8));
        }
        let changed = |index: &usize| self.shown.get(*index) != indices.get(*index);
        let rows = (0..height).filter(|y| (y * width..(y + 1) * width).any(|i| changed(&i)));
        let (top, bottom) = rows.fold((height, 0), |(low, high), y| (low.min(y), high.max(y + 1)));
        let columns = (0..width).filter(|x| (top..bottom).any(|y| changed(&(y * width + x))));
        let (left, right) = columns.fold((width, 0), |(low, high), x| (low.min(x), high.max(x + 1)));
        // A picture like the one before is still shown: as one pixel.
        let (left, right) = if top < bottom { (left, right) } else { (0, 1) };
        let (top, bottom) = if top < bottom { (top, bottom) } else { (0, 1) };
        let part: Vec<usize> = (top..bottom).flat_map(|y| y * width + left..y * width + right).collect();
        let frame = |buffer: Vec<u8>| {
            let mut frame = Frame {
                delay,
                dispose: DisposalMethod::Keep,
                transparent: Some(UNCHANGED),
                left: left as u16,
                top: top as u16,
                width: (right - left) as u16,
                height: (bottom - top) as u16,
                buffer: buffer.into(),
                ..Frame::default()
            };
            frame.make_lzw_pre_encoded();
            frame
        };
        // Holes where nothing has changed save bytes in a picture that stands still, and cost some in one that moves.
        let holes = frame(part.iter().map(|i| if changed(i) { indices[*i] } else { UNCHANGED }).collect());
        let whole = frame(part.iter().map(|i| indices[*i]).collect());
        let shorter = if holes.buffer.len() < whole.buffer.len() { holes } else { whole };
        self.encoder.write_lzw_pre_encoded_frame(&shorter).map_err(failed)?;
        self.shown = indices;
        self.frames += 1;
        Ok(())
    }

    /// Pictures so far.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// The file.
    ///
    /// # Errors
    /// What the encoder says.
    pub fn finish(self) -> Result<Vec<u8>, RenderError> {
        self.encoder.into_inner().map_err(|error| RenderError::Drawing(error.to_string()))
    }
}

fn failed(error: gif::EncodingError) -> RenderError {
    RenderError::Drawing(error.to_string())
}
