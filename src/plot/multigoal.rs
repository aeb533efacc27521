//! MultiGoal's pictures: trajectories from the origin over training, and where the first action points.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::axes::Axes;
use super::canvas::{Canvas, Point, Rect, Stroke, Text};
use super::data::{MultiGoalData, Trajectories};
use super::{Figure, PlotError, style};
use crate::report::multigoal::{GOALS, REACH, STRONG, coverage, first_actions, goal, goal_pointed_at, goal_reached};

/// Half the width of the arena.
pub(super) const ARENA: f64 = 8.0;
const MARGIN: f64 = 24.0;
const HEADER: f64 = 64.0;
const PANEL: f64 = 236.0;
const CAPTION: f64 = 40.0;
const GAP: f64 = 20.0;
const MAX_COLUMNS: usize = 5;

/// One panel a snapshot: all trajectories, the goals, and the share of the trajectories that each goal owns.
#[derive(Debug, Clone)]
pub struct TrajectoryPanels {
    title: String,
    panels: Vec<(String, Trajectories)>,
}

impl TrajectoryPanels {
    /// Panels titled `iteration 10`, ..., the last `final (iteration 40)`.
    ///
    /// # Errors
    /// [`PlotError::Empty`] without a snapshot.
    pub fn new(title: &str, data: &MultiGoalData) -> Result<Self, PlotError> {
        let last = data.snapshots.len().saturating_sub(1);
        let panel = |(index, snapshot): (usize, &super::MultiGoalSnapshot)| {
            let name = format!("iteration {}", snapshot.iteration);
            let name = if index == last { format!("final ({name})") } else { name };
            (name, snapshot.trajectories.clone())
        };
        let panels: Vec<_> = data.snapshots.iter().enumerate().map(panel).collect();
        if panels.is_empty() {
            return Err(PlotError::Empty("the run has no MultiGoal snapshots".into()));
        }
        Ok(Self { title: title.to_owned(), panels })
    }

    fn columns(&self) -> usize {
        // Equal rows: six panels make 3 + 3, not 5 + 1.
        let rows = self.panels.len().div_ceil(MAX_COLUMNS);
        self.panels.len().div_ceil(rows)
    }
}

impl Figure for TrajectoryPanels {
    fn size(&self) -> (u32, u32) {
        let (columns, rows) = (self.columns(), self.panels.len().div_ceil(self.columns()));
        let width = 2.0 * MARGIN + columns as f64 * PANEL + (columns - 1) as f64 * GAP;
        let height = HEADER + rows as f64 * (CAPTION + PANEL + GAP) + 8.0;
        // A single panel must still hold its heading.
        (width.max(420.0) as u32, height as u32)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), PlotError> {
        canvas.text(&self.title, (MARGIN, 22.0), Text::new(16.0).bold())?;
        let count = self.panels.iter().map(|(_, trajectories)| trajectories.points.len()).max().unwrap_or(0);
        let subtitle = format!(
            "{count} trajectories from rest at the origin, sampled; colour and percentage: the goal within 1.0 of which they end"
        );
        canvas.text(&subtitle, (MARGIN, 43.0), Text::new(12.0).color(style::MUTED))?;
        for (index, (name, trajectories)) in self.panels.iter().enumerate() {
            let (column, row) = (index % self.columns(), index / self.columns());
            let x = MARGIN + column as f64 * (PANEL + GAP);
            let y = HEADER + row as f64 * (CAPTION + PANEL + GAP);
            let ends = coverage(&trajectories.end_points());
            let caption = format!(
                "{} of 6 goals · entropy {:.2} · reached {:.0} %",
                ends.coverage,
                ends.entropy,
                100.0 * ends.reached
            );
            canvas.text(name, (x, y + 10.0), Text::new(13.0).bold())?;
            canvas.text(&caption, (x, y + 27.0), Text::new(11.0).color(style::MUTED))?;
            let area = Rect { x, y: y + CAPTION, width: PANEL, height: PANEL };
            draw_trajectories(canvas, area, trajectories)?;
        }
        Ok(())
    }
}

/// The figure of first actions, with sectors, the circle of norm 3 and the share of each sector.
#[derive(Debug, Clone)]
pub struct FirstActionsPlot {
    title: String,
    actions: Vec<[f32; 2]>,
}

const FIRST_ACTIONS_PANEL: f64 = 460.0;

impl FirstActionsPlot {
    /// Plots actions drawn at the origin at rest, `[actions, 2]`.
    ///
    /// # Errors
    /// [`PlotError::Empty`] without an action.
    pub fn new(title: &str, actions: &[[f32; 2]]) -> Result<Self, PlotError> {
        if actions.is_empty() {
            return Err(PlotError::Empty("the snapshot has no first actions".into()));
        }
        Ok(Self { title: title.to_owned(), actions: actions.to_vec() })
    }
}

impl Figure for FirstActionsPlot {
    fn size(&self) -> (u32, u32) {
        ((2.0 * MARGIN + FIRST_ACTIONS_PANEL) as u32, (HEADER + 22.0 + FIRST_ACTIONS_PANEL + MARGIN) as u32)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), PlotError> {
        let measure = first_actions(&self.actions);
        canvas.text(&self.title, (MARGIN, 22.0), Text::new(16.0).bold())?;
        let muted = Text::new(12.0).color(style::MUTED);
        let what =
            format!("{} first actions at the origin at rest; sectors of ±30° round each goal", self.actions.len());
        canvas.text(&what, (MARGIN, 43.0), muted)?;
        let numbers = format!(
            "{} of 6 sectors · entropy {:.2} · norm at least 3: {:.0} %",
            measure.first_action_coverage,
            measure.first_action_entropy,
            100.0 * measure.first_action_strong
        );
        canvas.text(&numbers, (MARGIN, 61.0), muted)?;
        let area = Rect { x: MARGIN, y: HEADER + 22.0, width: FIRST_ACTIONS_PANEL, height: FIRST_ACTIONS_PANEL };
        draw_first_actions(canvas, area, &self.actions, action_range(&self.actions), 1, true)
    }
}

/// Colour of a goal, or of what belongs to none.
fn goal_color(owner: Option<usize>) -> RGBColor {
    owner.map_or(style::GREY, |index| style::PALETTE[index % style::PALETTE.len()])
}

/// Half-width of an action plot: nearly all actions, and at least the circle of norm 3 with room for labels.
pub(super) fn action_range(actions: &[[f32; 2]]) -> f64 {
    let norm = |action: &[f32; 2]| f64::from(action[0]).abs().max(f64::from(action[1]).abs());
    let mut sizes: Vec<f64> = actions.iter().map(norm).filter(|size| size.is_finite()).collect();
    sizes.sort_by(f64::total_cmp);
    let most = sizes.get(sizes.len() * 998 / 1000).copied().unwrap_or(0.0);
    (most.ceil() + 1.0).clamp(5.0, 12.0)
}

/// Trajectories in the arena, one colour a goal, unowned ones grey and beneath.
pub(super) fn draw_trajectories<B: DrawingBackend>(
    canvas: &mut Canvas<B>,
    area: Rect,
    trajectories: &Trajectories,
) -> Result<(), PlotError> {
    let axes = Axes::square(area, ARENA);
    draw_ground(canvas, &axes)?;
    let inside = |value: f32| f64::from(value).clamp(-ARENA, ARENA);
    let owner = |path: &[[f32; 2]]| path.last().and_then(|&end| goal_reached(end));
    let count = trajectories.points.len().max(1) as f64;
    // The same darkness for any number of trajectories; a thousand are faint hairs that add up where many go.
    let alpha = (120.0 / count).clamp(0.08, 0.8);
    for unowned in [true, false] {
        for path in trajectories.points.iter().filter(|path| owner(path).is_none() == unowned) {
            let finite = path.iter().take_while(|point| point.iter().all(|value| value.is_finite()));
            let line: Vec<Point> = finite.map(|&[x, y]| axes.at(inside(x), inside(y))).collect();
            canvas.line(&line, Stroke { color: goal_color(owner(path)), alpha, width: 0.75 })?;
        }
    }
    let shares = coverage(&trajectories.end_points()).shares;
    for (index, share) in shares.iter().enumerate() {
        let [x, y] = goal(index);
        let center = axes.at(x, y);
        canvas.circle(center, REACH * axes.scale(), Stroke { color: style::WHITE, alpha: 0.85, width: 3.0 })?;
        canvas.circle(
            center,
            REACH * axes.scale(),
            Stroke { color: goal_color(Some(index)), alpha: 1.0, width: 1.5 },
        )?;
        // Above or below the goal, away from the origin: no trajectory passes there.
        let outwards = if y < -0.1 { -1.0 } else { 1.0 };
        draw_share(canvas, &axes, axes.at(x, y + outwards * (REACH + 0.65)), *share)?;
    }
    canvas.disc(axes.at(0.0, 0.0), 3.5, style::WHITE, 1.0)?;
    canvas.disc(axes.at(0.0, 0.0), 2.5, style::INK, 1.0)
}

/// First actions as dots, every `stride`-th of them, with the measure's sectors.
pub(super) fn draw_first_actions<B: DrawingBackend>(
    canvas: &mut Canvas<B>,
    area: Rect,
    actions: &[[f32; 2]],
    range: f64,
    stride: usize,
    scale_labels: bool,
) -> Result<(), PlotError> {
    let axes = Axes::square(area, range);
    draw_ground(canvas, &axes)?;
    let visible = |action: &&[f32; 2]| action.iter().all(|&value| f64::from(value).abs() < range);
    let radius = (area.width / 380.0).max(0.5);
    for action in actions.iter().step_by(stride.max(1)).filter(visible) {
        let center = axes.at(f64::from(action[0]), f64::from(action[1]));
        canvas.disc(center, radius, goal_color(goal_pointed_at(*action)), 0.4)?;
    }
    let line = Stroke { color: style::INK, alpha: 0.35, width: 0.75 };
    for index in 0..GOALS {
        let angle = (index as f64 + 0.5) * std::f64::consts::FRAC_PI_3;
        let (x, y) = (angle.cos(), angle.sin());
        let end = range / x.abs().max(y.abs());
        canvas.line(&[axes.at(STRONG * x, STRONG * y), axes.at(end * x, end * y)], line)?;
    }
    canvas.circle(axes.at(0.0, 0.0), STRONG * axes.scale(), Stroke { alpha: 0.6, width: 1.0, ..line })?;
    let shares = first_actions(actions).shares;
    for (index, share) in shares.iter().enumerate() {
        // Near the edge of the panel; to the left and right off the axis, where the dots are densest.
        let (x, y) = [(0.8, 0.28), (0.53, 0.92), (-0.53, 0.92), (-0.8, 0.28), (-0.53, -0.92), (0.53, -0.92)][index];
        draw_share(canvas, &axes, axes.at(range * x, range * y), *share)?;
    }
    if scale_labels {
        let note = Text::new(11.0).color(style::MUTED);
        let (x, y) = axes.at(0.0, -STRONG);
        draw_label(canvas, (x, y), "norm 3", note)?;
        let corner = (area.x + 8.0, area.y + area.height - 12.0);
        draw_label_left(canvas, corner, &format!("both axes ±{range:.0}"), note)?;
    }
    Ok(())
}

/// White ground with a border and a faint cross through the origin.
fn draw_ground<B: DrawingBackend>(canvas: &mut Canvas<B>, axes: &Axes) -> Result<(), PlotError> {
    let cross = Stroke { color: style::GRID, alpha: 1.0, width: 1.0 };
    canvas.line(&[axes.at(axes.x.0, 0.0), axes.at(axes.x.1, 0.0)], cross)?;
    canvas.line(&[axes.at(0.0, axes.y.0), axes.at(0.0, axes.y.1)], cross)?;
    canvas.frame(axes.area, Stroke { color: style::FRAME, alpha: 1.0, width: 1.0 })
}

/// A share in percent.
fn draw_share<B: DrawingBackend>(canvas: &mut Canvas<B>, axes: &Axes, at: Point, share: f64) -> Result<(), PlotError> {
    let size = (axes.area.width / 21.0).clamp(8.0, 14.0);
    let percent = 100.0 * share;
    // A goal that a few trajectories reach is not a goal that none reaches.
    let text = if share > 0.0 && percent < 0.5 { "<1 %".to_owned() } else { format!("{percent:.0} %") };
    let color = if share > 0.0 { style::INK } else { style::MUTED };
    draw_label(canvas, at, &text, Text::new(size).bold().color(color))
}

/// Centred text on a white ground that lets it be read over lines.
fn draw_label<B: DrawingBackend>(canvas: &mut Canvas<B>, at: Point, text: &str, look: Text) -> Result<(), PlotError> {
    let (width, height) = (canvas.text_width(text, look)? + 4.0, look.size * 1.15);
    let ground = Rect { x: at.0 - width / 2.0, y: at.1 - height / 2.0, width, height };
    canvas.fill_rect(ground, style::WHITE, 0.75)?;
    canvas.text(text, at, look.centered())
}

fn draw_label_left<B: DrawingBackend>(
    canvas: &mut Canvas<B>,
    at: Point,
    text: &str,
    look: Text,
) -> Result<(), PlotError> {
    let half = canvas.text_width(text, look)? / 2.0;
    draw_label(canvas, (at.0 + half, at.1), text, look)
}
