//! A drawing surface in logical pixels (`f64`, y down) over a plotters backend, whose coordinates are integers.

use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, TextStyle};
use plotters_backend::{BackendColor, BackendStyle, DrawingBackend, DrawingErrorKind};

use super::{PlotError, style};

/// Backend units a logical pixel: lines are placed to a quarter of a pixel.
pub(super) const UNITS: u32 = 4;
/// plotters' SVG writer divides font sizes by this.
pub(super) const SVG_FONT_DIVISOR: f64 = 1.24;
/// Detail below this many logical pixels is left out of long lines.
const LINE_TOLERANCE: f64 = 0.2;

/// Size in backend units of a surface of that many logical pixels.
pub(super) fn units((width, height): (u32, u32)) -> (u32, u32) {
    (width * UNITS, height * UNITS)
}

/// A point in logical pixels, x to the right, y down.
pub type Point = (f64, f64);

/// An axis-parallel rectangle in logical pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// How a line looks.
#[derive(Debug, Clone, Copy)]
pub struct Stroke {
    /// Colour.
    pub color: RGBColor,
    /// Opacity, 0 to 1.
    pub alpha: f64,
    /// Width in logical pixels; quarters are kept.
    pub width: f64,
}

/// Which end of a line of text lies on its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Its left end.
    Left,
    /// Its middle.
    Center,
    /// Its right end.
    Right,
}

/// How a text looks, and which of its points lies on the position given.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// Font size (the em) in logical pixels.
    pub size: f64,
    /// Colour.
    pub color: RGBColor,
    /// Bold type.
    pub bold: bool,
    /// Horizontal anchor; the vertical one is the middle of the line.
    pub anchor: Anchor,
    /// Turned to read upwards.
    pub upwards: bool,
}

impl Text {
    /// Left-aligned upright text in the main colour.
    pub fn new(size: f64) -> Self {
        Self { size, color: style::INK, bold: false, anchor: Anchor::Left, upwards: false }
    }

    /// In another colour.
    pub fn color(self, color: RGBColor) -> Self {
        Self { color, ..self }
    }

    /// In bold type.
    pub fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    /// With the position at its centre.
    pub fn centered(self) -> Self {
        Self { anchor: Anchor::Center, ..self }
    }

    /// With the position at its right end.
    pub fn right(self) -> Self {
        Self { anchor: Anchor::Right, ..self }
    }

    /// Reading upwards.
    pub fn upwards(self) -> Self {
        Self { upwards: true, ..self }
    }

    fn font(&self) -> FontDesc<'static> {
        let style = if self.bold { FontStyle::Bold } else { FontStyle::Normal };
        let size = self.size * f64::from(UNITS) * SVG_FONT_DIVISOR;
        let font = FontDesc::new(FontFamily::Name(style::FONT_FAMILY), size, style);
        if self.upwards { font.transform(FontTransform::Rotate270) } else { font }
    }
}

/// Colour and stroke width as the backends take them.
struct Paint {
    color: BackendColor,
    stroke_width: u32,
}

impl Paint {
    fn new(color: RGBColor, alpha: f64, width: f64) -> Self {
        let stroke_width = (width * f64::from(UNITS)).round().max(1.0) as u32;
        Self { color: color.mix(alpha).to_backend_color(), stroke_width }
    }
}

impl BackendStyle for Paint {
    fn color(&self) -> BackendColor {
        self.color
    }

    fn stroke_width(&self) -> u32 {
        self.stroke_width
    }
}

/// A white surface to draw on.
pub struct Canvas<B> {
    backend: B,
}

impl<B: DrawingBackend> Canvas<B> {
    /// Wraps a backend of [`units`] size and paints it white.
    pub(super) fn new(backend: B, (width, height): (u32, u32)) -> Result<Self, PlotError> {
        let mut canvas = Self { backend };
        canvas.backend.ensure_prepared().map_err(failed)?;
        canvas.fill_rect(
            Rect { x: 0.0, y: 0.0, width: f64::from(width), height: f64::from(height) },
            style::WHITE,
            1.0,
        )?;
        Ok(canvas)
    }

    /// Completes the document or image and hands the backend back.
    pub(super) fn finish(mut self) -> Result<B, PlotError> {
        self.backend.present().map_err(failed)?;
        Ok(self.backend)
    }

    /// A line through points, simplified below a fifth of a pixel.
    ///
    /// # Errors
    /// [`PlotError::Drawing`], as for all drawing methods.
    pub fn line(&mut self, points: &[Point], stroke: Stroke) -> Result<(), PlotError> {
        let path: Vec<_> = simplified(points).into_iter().map(snapped).collect();
        if path.len() < 2 {
            return Ok(());
        }
        self.backend.draw_path(path, &Paint::new(stroke.color, stroke.alpha, stroke.width)).map_err(failed)
    }

    /// A filled polygon.
    ///
    /// # Errors
    /// [`PlotError::Drawing`].
    pub fn polygon(&mut self, points: &[Point], color: RGBColor, alpha: f64) -> Result<(), PlotError> {
        let path: Vec<_> = points.iter().copied().map(snapped).collect();
        self.backend.fill_polygon(path, &Paint::new(color, alpha, 1.0)).map_err(failed)
    }

    /// A filled rectangle.
    ///
    /// # Errors
    /// [`PlotError::Drawing`].
    pub fn fill_rect(&mut self, rect: Rect, color: RGBColor, alpha: f64) -> Result<(), PlotError> {
        let (from, to) = (snapped((rect.x, rect.y)), snapped((rect.x + rect.width, rect.y + rect.height)));
        self.backend.draw_rect(from, to, &Paint::new(color, alpha, 1.0), true).map_err(failed)
    }

    /// The outline of a rectangle.
    ///
    /// # Errors
    /// [`PlotError::Drawing`].
    pub fn frame(&mut self, rect: Rect, stroke: Stroke) -> Result<(), PlotError> {
        let (left, top, right, bottom) = (rect.x, rect.y, rect.x + rect.width, rect.y + rect.height);
        self.line(&[(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], stroke)
    }

    /// A filled disc.
    ///
    /// # Errors
    /// [`PlotError::Drawing`].
    pub fn disc(&mut self, center: Point, radius: f64, color: RGBColor, alpha: f64) -> Result<(), PlotError> {
        let radius = (radius * f64::from(UNITS)).round() as u32;
        self.backend.draw_circle(snapped(center), radius, &Paint::new(color, alpha, 1.0), true).map_err(failed)
    }

    /// The outline of a circle.
    ///
    /// # Errors
    /// [`PlotError::Drawing`].
    pub fn circle(&mut self, center: Point, radius: f64, stroke: Stroke) -> Result<(), PlotError> {
        let paint = Paint::new(stroke.color, stroke.alpha, stroke.width);
        let radius = (radius * f64::from(UNITS)).round() as u32;
        self.backend.draw_circle(snapped(center), radius, &paint, false).map_err(failed)
    }

    /// A line of text, vertically centred on the position.
    ///
    /// # Errors
    /// [`PlotError::Drawing`].
    pub fn text(&mut self, text: &str, position: Point, look: Text) -> Result<(), PlotError> {
        let anchor = match look.anchor {
            Anchor::Left => HPos::Left,
            Anchor::Center => HPos::Center,
            Anchor::Right => HPos::Right,
        };
        let style = TextStyle::from(look.font()).color(&look.color).pos(Pos::new(anchor, VPos::Center));
        self.backend.draw_text(text, &style, snapped(position)).map_err(failed)
    }

    /// Width of a line of text in logical pixels.
    ///
    /// # Errors
    /// [`PlotError::Drawing`].
    pub fn text_width(&self, text: &str, look: Text) -> Result<f64, PlotError> {
        Ok(style::layout(&style::typeface(look.bold)?, text, look.size).1)
    }
}

fn failed<E: std::error::Error + Send + Sync>(error: DrawingErrorKind<E>) -> PlotError {
    PlotError::Drawing(error.to_string())
}

fn snapped((x, y): Point) -> (i32, i32) {
    let unit = |v: f64| (v * f64::from(UNITS)).round() as i32;
    (unit(x), unit(y))
}

/// The line with those points left out that lie within [`LINE_TOLERANCE`] of it (Douglas and Peucker, 1973).
fn simplified(points: &[Point]) -> Vec<Point> {
    let Some(last) = points.len().checked_sub(1) else { return Vec::new() };
    let mut kept = vec![false; points.len()];
    (kept[0], kept[last]) = (true, true);
    let mut spans = vec![(0, last)];
    while let Some((from, to)) = spans.pop() {
        let off_line = |index: usize| distance_to_segment(points[index], points[from], points[to]);
        let farthest = (from + 1..to).map(|index| (off_line(index), index)).max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((distance, index)) = farthest
            && distance > LINE_TOLERANCE
        {
            kept[index] = true;
            spans.extend([(from, index), (index, to)]);
        }
    }
    points.iter().zip(kept).filter(|(_, kept)| *kept).map(|(&point, _)| point).collect()
}

/// Distance of a point to the segment from `a` to `b`.
pub(super) fn distance_to_segment((x, y): Point, a: Point, b: Point) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length_squared = dx * dx + dy * dy;
    let along = if length_squared > 0.0 { ((x - a.0) * dx + (y - a.1) * dy) / length_squared } else { 0.0 };
    let along = along.clamp(0.0, 1.0);
    (x - a.0 - along * dx).hypot(y - a.1 - along * dy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simplification_keeps_corners_and_drops_collinear_points() {
        let points: Vec<Point> = (0..=10).map(|i| (f64::from(i), 0.0)).chain([(10.0, 5.0), (10.0, 9.0)]).collect();
        assert_eq!(simplified(&points), [(0.0, 0.0), (10.0, 0.0), (10.0, 9.0)]);
        assert!(simplified(&[]).is_empty());
        assert_eq!(simplified(&[(1.0, 2.0)]).len(), 1);
    }
}
