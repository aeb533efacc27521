//! Pictures of runs, as SVG and PNG from one drawing routine, without a display.
//!
//! A [`Figure`] draws itself on a [`Canvas`] in logical pixels; the canvas passes shapes on to one of plotters' backends:
//! its SVG writer, or the anti-aliasing bitmap of `raster` for PNG.

mod axes;
mod canvas;
mod comparison;
mod curves;
mod data;
mod multigoal;
mod raster;
mod runs;
mod style;

use std::path::{Path, PathBuf};

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};

use crate::report::{ReportError, write_atomic, write_atomic_with};

pub use canvas::{Anchor, Canvas, Rect, Stroke, Text};
pub use comparison::{Comparison, ComparisonCell, ComparisonRow};
pub use curves::{BandPoint, CurveGroup, LearningCurves, band};
pub use data::{MultiGoalData, MultiGoalSnapshot, Trajectories};
pub use multigoal::{FirstActionsPlot, TrajectoryPanels};
pub use runs::{DATA_FILE, REWARD_TAG, draw_run, draw_runs, group_runs};
pub(crate) use style::{layout, typeface};

/// Why a picture could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The drawing library refused.
    #[error("drawing failed: {0}")]
    Drawing(String),
    /// There is nothing to draw.
    #[error("nothing to plot: {0}")]
    Empty(String),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] ReportError),
}

/// A picture of a fixed size that can be drawn on any backend.
pub trait Figure {
    /// Width and height in logical pixels (CSS pixels of the SVG file).
    fn size(&self) -> (u32, u32);

    /// Draws everything; the background is white already.
    ///
    /// # Errors
    /// [`PlotError::Drawing`].
    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), PlotError>;
}

/// Pixels of the PNG file for each logical pixel.
pub const PNG_SCALE: u32 = 2;

/// Writes `<stem>.svg` and `<stem>.png` into `folder`, each atomically, and returns their paths.
///
/// # Errors
/// [`PlotError`].
pub fn save<F: Figure>(figure: &F, folder: &Path, stem: &str) -> Result<[PathBuf; 2], PlotError> {
    let svg_path = folder.join(format!("{stem}.svg"));
    write_atomic(&svg_path, svg(figure)?.as_bytes())?;
    let png_path = folder.join(format!("{stem}.png"));
    let pixels = pixels(figure)?;
    let (width, height) = figure.size();
    let size = (width * PNG_SCALE, height * PNG_SCALE);
    write_atomic_with(&png_path, |temporary| {
        let mut encoder = BitMapBackend::new(temporary, size);
        encoder.blit_bitmap((0, 0), size, &pixels).map_err(std::io::Error::other)?;
        encoder.present().map_err(std::io::Error::other)
    })?;
    Ok([svg_path, png_path])
}

/// The figure as an SVG document.
///
/// # Errors
/// [`PlotError::Drawing`].
pub fn svg<F: Figure>(figure: &F) -> Result<String, PlotError> {
    let (width, height) = figure.size();
    let units = canvas::units(figure.size());
    let mut document = String::new();
    let mut canvas = Canvas::new(SVGBackend::with_string(&mut document, units), figure.size())?;
    figure.draw(&mut canvas)?;
    drop(canvas.finish()?);
    // The backend's own header gives the size in canvas units; shown at logical size those become fractions of a pixel.
    let own = format!("width=\"{}\" height=\"{}\"", units.0, units.1);
    let look = "font-stretch=\"condensed\" stroke-linejoin=\"round\" stroke-linecap=\"round\"";
    let shown = format!("width=\"{width}\" height=\"{height}\" {look}");
    Ok(document.replacen(&own, &shown, 1))
}

/// The figure as RGB bytes, [height * 2, width * 2, 3].
///
/// # Errors
/// [`PlotError::Drawing`].
pub fn pixels<F: Figure>(figure: &F) -> Result<Vec<u8>, PlotError> {
    let (width, height) = figure.size();
    let raster = raster::Raster::new((width * PNG_SCALE, height * PNG_SCALE), canvas::UNITS / PNG_SCALE);
    let mut canvas = Canvas::new(raster, figure.size())?;
    figure.draw(&mut canvas)?;
    Ok(canvas.finish()?.into_rgb())
}
