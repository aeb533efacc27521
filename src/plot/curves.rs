//! Learning curves: return against environment steps and against seconds, one band for each group of seeds.

use plotters::backend::DrawingBackend;

use super::axes::Axes;
use super::canvas::{Canvas, Point, Rect, Stroke, Text};
use super::{Figure, PlotError, style};
use crate::report::MetricsTable;

/// Runs that differ in nothing but the seed.
#[derive(Debug, Clone, Default)]
pub struct CurveGroup {
    /// Shown in the legend, e.g. `multigoal policyflow quick`.
    pub label: String,
    /// The metrics of each seed.
    pub seeds: Vec<MetricsTable>,
}

/// Mean over seeds and its 95 % confidence interval at one x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BandPoint {
    /// Environment steps or seconds.
    pub x: f64,
    /// Mean over seeds.
    pub mean: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The figure: two plots side by side over one legend.
#[derive(Debug, Clone)]
pub struct LearningCurves {
    title: String,
    value_title: String,
    groups: Vec<Band>,
    legend: Vec<LegendEntry>,
}

/// A group's place in the legend, which wraps: how many lines it has decides the height of the figure.
#[derive(Debug, Clone)]
struct LegendEntry {
    text: String,
    x: f64,
    line: usize,
}

#[derive(Debug, Clone)]
struct Band {
    label: String,
    seeds: usize,
    by_steps: Vec<BandPoint>,
    by_seconds: Vec<BandPoint>,
}

/// Points along a curve.
const GRID_POINTS: usize = 240;
const SIZE: (u32, u32) = (1040, 440);

impl LearningCurves {
    /// Curves of the metric `tag`, which `value_title` names on the axis (`mean episode return`).
    ///
    /// # Errors
    /// [`PlotError::Empty`] when no run has two finite values under that tag.
    pub fn new(title: &str, tag: &str, value_title: &str, groups: &[CurveGroup]) -> Result<Self, PlotError> {
        let mut bands = Vec::new();
        for group in groups {
            let curves = |x_of: fn(&MetricsTable, usize) -> f64| -> Vec<Vec<Point>> {
                let finite = |table: &MetricsTable| -> Vec<Point> {
                    let values = table.column(tag).unwrap_or_default();
                    let points = values.iter().enumerate().map(|(row, &value)| (x_of(table, row), value));
                    points.filter(|(x, y)| x.is_finite() && y.is_finite()).collect()
                };
                group.seeds.iter().map(finite).filter(|curve| curve.len() >= 2).collect()
            };
            let by_steps = curves(|table, row| table.env_steps[row] as f64);
            let seeds = by_steps.len();
            let (by_steps, by_seconds) = (band(&by_steps), band(&curves(|table, row| table.seconds[row])));
            if !by_steps.is_empty() {
                bands.push(Band { label: group.label.clone(), seeds, by_steps, by_seconds });
            }
        }
        if bands.is_empty() {
            return Err(PlotError::Empty(format!("no run has two values of `{tag}`")));
        }
        let legend = legend(&bands)?;
        Ok(Self { title: title.to_owned(), value_title: value_title.to_owned(), groups: bands, legend })
    }

    /// Height of the legend's lines after the first.
    fn legend_extra(&self) -> f64 {
        self.legend.last().map_or(0.0, |entry| entry.line as f64 * LEGEND_LINE)
    }

    /// Which uncertainty the picture shows, for the line under its title.
    fn subtitle(&self) -> String {
        if self.groups.iter().any(|group| group.seeds > 1) {
            "mean over seeds; shaded: 95 % confidence interval of the mean".to_owned()
        } else {
            "one seed".to_owned()
        }
    }

    fn draw_legend<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), PlotError> {
        for (index, entry) in self.legend.iter().enumerate() {
            let (x, y) = (entry.x, 66.0 + entry.line as f64 * LEGEND_LINE);
            let stroke = Stroke { color: color_of(index), alpha: 1.0, width: 3.0 };
            canvas.line(&[(x, y), (x + 18.0, y)], stroke)?;
            canvas.text(&entry.text, (x + LEGEND_INDENT, y), Text::new(LEGEND_SIZE))?;
        }
        Ok(())
    }

    fn draw_bands<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        axes: &Axes,
        points_of: impl Fn(&Band) -> Vec<BandPoint>,
    ) -> Result<(), PlotError> {
        for (index, group) in self.groups.iter().enumerate().filter(|(_, group)| group.seeds > 1) {
            let points = points_of(group);
            let upper = points.iter().map(|point| axes.at(point.x, point.high));
            let lower = points.iter().rev().map(|point| axes.at(point.x, point.low));
            canvas.polygon(&upper.chain(lower).collect::<Vec<_>>(), color_of(index), 0.18)?;
        }
        for (index, group) in self.groups.iter().enumerate() {
            let line: Vec<Point> = points_of(group).iter().map(|point| axes.at(point.x, point.mean)).collect();
            canvas.line(&line, Stroke { color: color_of(index), alpha: 1.0, width: 2.0 })?;
        }
        Ok(())
    }

    /// Upper ends of the two x axes and the range of y over both plots.
    fn ranges(&self) -> (f64, f64, (f64, f64)) {
        let all = || self.groups.iter().flat_map(|group| group.by_steps.iter().chain(&group.by_seconds));
        let low = all().map(|point| point.low).fold(f64::INFINITY, f64::min);
        let high = all().map(|point| point.high).fold(f64::NEG_INFINITY, f64::max);
        let margin = ((high - low) * 0.05).max(1e-6 * high.abs().max(1e-3));
        // Returns that are nearly all positive read best from zero.
        let floor = if low >= 0.0 && low < 0.5 * high { 0.0 } else { low - margin };
        let end = |points: fn(&Band) -> &Vec<BandPoint>| {
            let ends = self.groups.iter().filter_map(|group| points(group).last());
            ends.map(|point| point.x).fold(0.0, f64::max).max(1e-9)
        };
        (end(|group| &group.by_steps), end(|group| &group.by_seconds), (floor, high + margin))
    }
}

const LEFT: f64 = 72.0;
const LEGEND_LINE: f64 = 20.0;
const LEGEND_SIZE: f64 = 12.0;
const LEGEND_INDENT: f64 = 26.0;

fn legend(groups: &[Band]) -> Result<Vec<LegendEntry>, PlotError> {
    let font = style::typeface(false)?;
    let (mut x, mut line) = (LEFT, 0);
    let mut entries = Vec::new();
    for group in groups {
        let count = if group.seeds == 1 { "1 seed".to_owned() } else { format!("{} seeds", group.seeds) };
        let text = format!("{} ({count})", group.label);
        // A viewer of the SVG file may have only a wider typeface.
        let width = LEGEND_INDENT + 1.1 * style::layout(&font, &text, LEGEND_SIZE).1;
        if x > LEFT && x + width > f64::from(SIZE.0) - 20.0 {
            (x, line) = (LEFT, line + 1);
        }
        entries.push(LegendEntry { text, x, line });
        x += width + 28.0;
    }
    Ok(entries)
}

impl Figure for LearningCurves {
    fn size(&self) -> (u32, u32) {
        (SIZE.0, SIZE.1 + self.legend_extra() as u32)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), PlotError> {
        let (width, height) = (f64::from(SIZE.0), f64::from(SIZE.1) + self.legend_extra());
        canvas.text(&self.title, (LEFT, 22.0), Text::new(16.0).bold())?;
        canvas.text(&self.subtitle(), (LEFT, 42.0), Text::new(12.0).color(style::MUTED))?;
        self.draw_legend(canvas)?;
        let (steps_end, seconds_end, y) = self.ranges();
        let (unit, unit_name) = time_unit(seconds_end);
        let top = 92.0 + self.legend_extra();
        let area = Rect { x: LEFT, y: top, width: (width - LEFT - 104.0) / 2.0, height: height - top - 56.0 };
        let steps = Axes { area, x: (0.0, steps_end), y };
        steps.draw(canvas, "environment steps", &self.value_title)?;
        self.draw_bands(canvas, &steps, |group| group.by_steps.clone())?;
        let area = Rect { x: LEFT + area.width + 80.0, ..area };
        let seconds = Axes { area, x: (0.0, seconds_end / unit), y };
        seconds.draw(canvas, &format!("training time ({unit_name})"), &self.value_title)?;
        let scaled = |point: &BandPoint| BandPoint { x: point.x / unit, ..*point };
        self.draw_bands(canvas, &seconds, |group| group.by_seconds.iter().map(scaled).collect())
    }
}

fn color_of(index: usize) -> plotters::style::RGBColor {
    style::PALETTE[index % style::PALETTE.len()]
}

/// Seconds of the unit that suits a duration, and its name.
fn time_unit(seconds: f64) -> (f64, &'static str) {
    match seconds {
        long if long > 3.0 * 3600.0 => (3600.0, "hours"),
        long if long > 600.0 => (60.0, "minutes"),
        _ => (1.0, "seconds"),
    }
}

/// Mean and 95 % interval of several curves (x ascending), at evenly spaced x over the range that all of them have.
/// The interval is Student's, `mean ± t(0.975, n - 1) s / sqrt(n)`; a single curve has an interval of width 0.
pub fn band(curves: &[Vec<Point>]) -> Vec<BandPoint> {
    let curves: Vec<&Vec<Point>> = curves.iter().filter(|curve| curve.len() >= 2).collect();
    let start = curves.iter().map(|curve| curve[0].0).fold(f64::NEG_INFINITY, f64::max);
    let end = curves.iter().map(|curve| curve[curve.len() - 1].0).fold(f64::INFINITY, f64::min);
    if curves.is_empty() || start >= end {
        return Vec::new();
    }
    let count = curves.len() as f64;
    let point = |index: usize| {
        let x = start + (end - start) * index as f64 / (GRID_POINTS - 1) as f64;
        let values: Vec<f64> = curves.iter().map(|curve| interpolated(curve, x)).collect();
        let mean = values.iter().sum::<f64>() / count;
        let half = if values.len() < 2 {
            0.0
        } else {
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
            student_t_975(values.len() - 1) * (variance / count).sqrt()
        };
        BandPoint { x, mean, low: mean - half, high: mean + half }
    };
    (0..GRID_POINTS).map(point).collect()
}

/// Value of a curve at `x`, linear between its points.
fn interpolated(curve: &[Point], x: f64) -> f64 {
    let after = curve.partition_point(|point| point.0 < x).clamp(1, curve.len() - 1);
    let ((x0, y0), (x1, y1)) = (curve[after - 1], curve[after]);
    if x1 > x0 { y0 + (y1 - y0) * ((x - x0) / (x1 - x0)).clamp(0.0, 1.0) } else { y1 }
}

/// The 97.5 % quantile of Student's t distribution: a table to 10 degrees of freedom, then the first terms of its
/// expansion in 1 / degrees (Abramowitz and Stegun 26.7.5), good to 0.1 %.
fn student_t_975(degrees: usize) -> f64 {
    const TABLE: [f64; 10] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
    let z = 1.959_964_f64;
    let nu = degrees as f64;
    TABLE.get(degrees.wrapping_sub(1)).copied().unwrap_or_else(|| {
        z + (z.powi(3) + z) / (4.0 * nu) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * nu * nu)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_band_is_student_t_over_seeds() {
        let line = |offset: f64| vec![(0.0, offset), (10.0, offset + 10.0)];
        let points = band(&[line(0.0), line(1.0), line(2.0)]);
        let (first, last) = (points[0], points[points.len() - 1]);
        assert_eq!((first.x, last.x), (0.0, 10.0));
        assert!((first.mean - 1.0).abs() < 1e-12 && (last.mean - 11.0).abs() < 1e-12);
        let half = 4.303 / 3.0_f64.sqrt(); // s = 1, n = 3
        assert!((first.high - first.mean - half).abs() < 1e-9 && (first.mean - first.low - half).abs() < 1e-9);
    }

    #[test]
    fn the_band_spans_what_all_seeds_have() {
        let points = band(&[vec![(0.0, 0.0), (10.0, 10.0)], vec![(2.0, 2.0), (5.0, 5.0), (8.0, 8.0)]]);
        assert_eq!((points[0].x, points[points.len() - 1].x), (2.0, 8.0));
        assert!(points.iter().all(|point| (point.mean - point.x).abs() < 1e-9 && point.high - point.low < 1e-6));
        assert!(band(&[vec![(0.0, 1.0)]]).is_empty());
        assert!(band(&[vec![(0.0, 1.0), (1.0, 1.0)], vec![(2.0, 1.0), (3.0, 1.0)]]).is_empty());
    }

    #[test]
    fn a_long_legend_wraps_and_the_figure_grows_by_its_lines() {
        let point = |x: f64| BandPoint { x, mean: x, low: x, high: x };
        let band = |index: usize| Band {
            label: format!("multigoal policyflow quick, algo.brownian_weight=0.{index}"),
            seeds: 3,
            by_steps: vec![point(0.0), point(1.0)],
            by_seconds: vec![],
        };
        let entries = legend(&(0..7).map(band).collect::<Vec<_>>()).unwrap();
        let lines: Vec<usize> = entries.iter().map(|entry| entry.line).collect();
        assert_eq!(lines, [0, 0, 1, 1, 2, 2, 3]);
        assert!(entries.iter().filter(|entry| entry.x == LEFT).count() == 4);
    }

    #[test]
    fn one_seed_has_no_interval() {
        let points = band(&[vec![(0.0, 3.0), (1.0, 5.0)]]);
        assert!(points.iter().all(|point| point.low == point.mean && point.high == point.mean));
    }

    #[test]
    fn t_quantiles_match_the_tables() {
        for (degrees, expected) in [(1, 12.706), (6, 2.447), (11, 2.201), (20, 2.086), (30, 2.042), (120, 1.980)] {
            assert!((student_t_975(degrees) - expected).abs() < 3e-3, "{degrees}: {}", student_t_975(degrees));
        }
    }
}
