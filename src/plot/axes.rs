//! Cartesian axes: the mapping from numbers to pixels, a thin grid and labelled ticks.

use plotters::backend::DrawingBackend;

use super::canvas::{Canvas, Point, Rect, Stroke, Text};
use super::{PlotError, style};

/// A plotting area with linear axes.
#[derive(Debug, Clone, Copy)]
pub struct Axes {
    /// The area inside the axes.
    pub area: Rect,
    /// Lower and upper end of the x axis.
    pub x: (f64, f64),
    /// Lower and upper end of the y axis, upwards.
    pub y: (f64, f64),
}

impl Axes {
    /// Equal scales on both axes: a square of `half_range` round the origin.
    pub fn square(area: Rect, half_range: f64) -> Self {
        Self { area, x: (-half_range, half_range), y: (-half_range, half_range) }
    }

    /// Position of a pair of numbers.
    pub fn at(&self, x: f64, y: f64) -> Point {
        let fraction = |value: f64, (low, high): (f64, f64)| (value - low) / (high - low);
        let Rect { x: left, y: top, width, height } = self.area;
        (left + fraction(x, self.x) * width, top + (1.0 - fraction(y, self.y)) * height)
    }

    /// Logical pixels a unit of x.
    pub fn scale(&self) -> f64 {
        self.area.width / (self.x.1 - self.x.0)
    }

    /// Grid lines, tick labels and axis titles, beneath whatever is drawn afterwards.
    pub fn draw<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        x_title: &str,
        y_title: &str,
    ) -> Result<(), PlotError> {
        let Rect { x: left, y: top, width, height } = self.area;
        let (right, bottom) = (left + width, top + height);
        let grid = Stroke { color: style::GRID, alpha: 1.0, width: 1.0 };
        let label = Text::new(11.0).color(style::MUTED);
        let xs = style::ticks(self.x.0, self.x.1, (width / 75.0) as usize);
        for (tick, text) in xs.iter().zip(style::tick_labels(&xs)) {
            let (x, _) = self.at(*tick, 0.0);
            canvas.line(&[(x, top), (x, bottom)], grid)?;
            canvas.text(&text, (x, bottom + 14.0), label.centered())?;
        }
        let ys = style::ticks(self.y.0, self.y.1, (height / 48.0) as usize);
        for (tick, text) in ys.iter().zip(style::tick_labels(&ys)) {
            let (_, y) = self.at(0.0, *tick);
            canvas.line(&[(left, y), (right, y)], grid)?;
            canvas.text(&text, (left - 8.0, y), label.right())?;
        }
        canvas.line(&[(left, bottom), (right, bottom)], Stroke { color: style::FRAME, alpha: 1.0, width: 1.0 })?;
        let title = Text::new(12.0).color(style::INK).centered();
        canvas.text(x_title, (left + width / 2.0, bottom + 36.0), title)?;
        canvas.text(y_title, (left - 46.0, top + height / 2.0), title.upwards())
    }
}
