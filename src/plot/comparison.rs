//! Methods side by side: for each its trajectories and first actions over several seeds, and a table of the measures.

use plotters::backend::DrawingBackend;

use super::canvas::{Canvas, Rect, Stroke, Text};
use super::data::Trajectories;
use super::multigoal::{action_range, draw_first_actions, draw_trajectories};
use super::{Figure, PlotError, style};
use crate::report::multigoal::{coverage, first_actions};

/// One seed of a method.
#[derive(Debug, Clone, Default)]
pub struct ComparisonCell {
    /// The seed.
    pub seed: u64,
    /// Trajectories of the final policy.
    pub trajectories: Trajectories,
    /// First actions of the final policy.
    pub first_actions: Vec<[f32; 2]>,
    /// Mean episode return at the end.
    pub final_return: Option<f64>,
}

/// One method.
#[derive(Debug, Clone, Default)]
pub struct ComparisonRow {
    /// Its name, e.g. `PolicyFlow, w_b = 0`.
    pub method: String,
    /// Its seeds.
    pub seeds: Vec<ComparisonCell>,
}

/// The figure: a row a method, trajectories left, first actions in the middle, the measures right.
#[derive(Debug, Clone)]
pub struct Comparison {
    title: String,
    rows: Vec<ComparisonRow>,
}

const MARGIN: f64 = 24.0;
const HEADER: f64 = 88.0;
const PANEL: f64 = 148.0;
const GAP: f64 = 8.0;
const BLOCK_GAP: f64 = 30.0;
const ROW_TITLE: f64 = 28.0;
const TABLE_LABEL: f64 = 132.0;
const TABLE_COLUMN: f64 = 46.0;
const DOT_STRIDE: usize = 4;

impl Comparison {
    /// Compares methods that have the same number of seeds or fewer.
    ///
    /// # Errors
    /// [`PlotError::Empty`] without a method or a seed.
    pub fn new(title: &str, rows: &[ComparisonRow]) -> Result<Self, PlotError> {
        if rows.iter().all(|row| row.seeds.is_empty()) {
            return Err(PlotError::Empty("a comparison needs a method with a seed".into()));
        }
        Ok(Self { title: title.to_owned(), rows: rows.to_vec() })
    }

    fn seeds(&self) -> usize {
        self.rows.iter().map(|row| row.seeds.len()).max().unwrap_or(1)
    }

    fn block_width(&self) -> f64 {
        self.seeds() as f64 * (PANEL + GAP) - GAP
    }

    /// Left edges of the trajectories, the first actions and the table.
    fn blocks(&self) -> [f64; 3] {
        let second = MARGIN + self.block_width() + BLOCK_GAP;
        [MARGIN, second, second + self.block_width() + BLOCK_GAP]
    }

    /// The table beside a row: one line a measure, one column a seed.
    fn draw_table<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        row: &ComparisonRow,
        top: f64,
    ) -> Result<(), PlotError> {
        let left = self.blocks()[2];
        let ends: Vec<_> = row.seeds.iter().map(|cell| coverage(&cell.trajectories.end_points())).collect();
        let first: Vec<_> = row.seeds.iter().map(|cell| first_actions(&cell.first_actions)).collect();
        let column = |value: &dyn Fn(usize) -> String| (0..row.seeds.len()).map(value).collect::<Vec<String>>();
        let known = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
        let lines = [
            ("coverage (of 6)", column(&|i| ends[i].coverage.to_string())),
            ("entropy", column(&|i| format!("{:.2}", ends[i].entropy))),
            ("reached", column(&|i| format!("{:.2}", ends[i].reached))),
            ("first-action coverage", column(&|i| first[i].first_action_coverage.to_string())),
            ("first-action entropy", column(&|i| format!("{:.2}", first[i].first_action_entropy))),
            ("norm at least 3", column(&|i| format!("{:.2}", first[i].first_action_strong))),
            ("return", column(&|i| known(row.seeds[i].final_return))),
        ];
        let (head, body) = (Text::new(11.0).color(style::MUTED), Text::new(12.0));
        let right_of = |index: usize| left + TABLE_LABEL + (index + 1) as f64 * TABLE_COLUMN;
        for (index, cell) in row.seeds.iter().enumerate() {
            canvas.text(&format!("seed {}", cell.seed), (right_of(index), top + 6.0), head.right())?;
        }
        let rule = Stroke { color: style::FRAME, alpha: 1.0, width: 1.0 };
        canvas.line(&[(left, top + 17.0), (right_of(self.seeds() - 1), top + 17.0)], rule)?;
        for (index, (name, values)) in lines.iter().enumerate() {
            let y = top + 29.0 + index as f64 * 18.0;
            canvas.text(name, (left, y), body.color(style::MUTED))?;
            for (seed, value) in values.iter().enumerate() {
                canvas.text(value, (right_of(seed), y), body.right())?;
            }
        }
        Ok(())
    }
}

impl Figure for Comparison {
    fn size(&self) -> (u32, u32) {
        let width = self.blocks()[2] + TABLE_LABEL + self.seeds() as f64 * TABLE_COLUMN + MARGIN;
        let height = HEADER + self.rows.len() as f64 * (ROW_TITLE + PANEL + 16.0) + 8.0;
        (width as u32, height as u32)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), PlotError> {
        canvas.text(&self.title, (MARGIN, 22.0), Text::new(16.0).bold())?;
        let [ends_x, first_x, table_x] = self.blocks();
        let all: Vec<[f32; 2]> =
            self.rows.iter().flat_map(|row| &row.seeds).flat_map(|cell| cell.first_actions.iter().copied()).collect();
        let range = action_range(&all);
        let (strong, muted) = (Text::new(13.0).bold(), Text::new(11.0).color(style::MUTED));
        canvas.text("Trajectories from the origin", (ends_x, 54.0), strong)?;
        canvas.text("percentage: share that ends at the goal; arena ±8", (ends_x, 71.0), muted)?;
        canvas.text("First actions at the origin", (first_x, 54.0), strong)?;
        let axes =
            format!("percentage: share with norm ≥ 3 in the sector; axes ±{range:.0}; every {DOT_STRIDE}th drawn");
        canvas.text(&axes, (first_x, 71.0), muted)?;
        canvas.text("Measures", (table_x, 54.0), strong)?;
        for (index, row) in self.rows.iter().enumerate() {
            let top = HEADER + index as f64 * (ROW_TITLE + PANEL + 16.0);
            canvas.text(&row.method, (MARGIN, top + 14.0), strong)?;
            let y = top + ROW_TITLE;
            for (seed, cell) in row.seeds.iter().enumerate() {
                let offset = seed as f64 * (PANEL + GAP);
                let area = Rect { x: ends_x + offset, y, width: PANEL, height: PANEL };
                draw_trajectories(canvas, area, &cell.trajectories)?;
                let area = Rect { x: first_x + offset, ..area };
                draw_first_actions(canvas, area, &cell.first_actions, range, DOT_STRIDE, false)?;
            }
            self.draw_table(canvas, row, y)?;
        }
        Ok(())
    }
}
