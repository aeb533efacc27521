//! A scene as pixels: floors first, then shadows, then solids from far to near.

use ab_glyph::{Font, point};
use glam::{DVec2, DVec3};
use tiny_skia::{Color, FillRule, Paint, PathBuilder, Pixmap, PremultipliedColorU8, Stroke, Transform};

use super::RenderError;
use super::outline::{circle, edge, hull, rectangle};
use super::scene::{Role, Scene, Solid};
use super::view::{Camera, View};
use crate::physics::model::Shape;
use crate::plot::{layout, typeface};

/// What is behind everything.
const BACKGROUND: [f64; 3] = [0.95, 0.965, 0.98];
/// A floor's dark squares and shadows, over its colour.
const CHECKER: f64 = 0.91;
const SHADOW: f64 = 0.78;
/// Towards the light, in the world.
const LIGHT: DVec3 = DVec3::new(-0.25, -0.5, 0.85);
/// How bright a surface is that the light does not reach, and an edge.
const SHADE: f64 = 0.72;
const LINE: f64 = 0.5;
/// Size of the part of a round solid that is bright, and how far from its middle that lies.
const BRIGHT: (f64, f64) = (0.74, 0.22);
/// Pixels below which a round solid has no bright part.
const PLAIN: f64 = 8.0;
/// Side of a square over half of the picture's height, at least; a step of the series 1, 2, 5, 10.
const SQUARE: f64 = 0.35;
/// How far floors are drawn, over half of the picture's height.
const FAR: f64 = 4.0;
const INK: [f32; 3] = [0.12, 0.16, 0.2];
/// Font size and its distance from the corner, in pixels.
const FONT: (f64, f64) = (15.0, 10.0);

/// An image.
pub struct Picture {
    pixels: Pixmap,
}

impl Picture {
    /// Draws a scene, and a line of text in the corner.
    ///
    /// # Errors
    /// A size of 0, and a font that cannot be read.
    pub fn new(scene: &Scene, view: &View, size: (u32, u32), text: &str) -> Result<Self, RenderError> {
        let refused = || RenderError::Drawing(format!("a picture of {} x {} pixels", size.0, size.1));
        let mut picture = Self { pixels: Pixmap::new(size.0, size.1).ok_or_else(refused)? };
        let camera = view.camera(scene, size);
        picture.pixels.fill(color(BACKGROUND.map(|c| c as f32), 1.0));
        let is_floor = |solid: &&Solid| solid.shape == Shape::Plane;
        scene.solids.iter().filter(is_floor).for_each(|floor| picture.floor(&camera, floor));
        if let Some(floor) = scene.floor() {
            scene
                .solids
                .iter()
                .filter(|s| s.role != Role::Mark)
                .for_each(|solid| picture.shadow(&camera, floor, solid));
        }
        let mut solids: Vec<&Solid> = scene.solids.iter().filter(|solid| !is_floor(solid)).collect();
        // Whole steps, so that parts that move in one plane keep their order whatever the rounding.
        let step = camera.half_height * 1e-3;
        solids.sort_by_key(|solid| -(camera.order.dot(solid.position - camera.eye) / step).round() as i64);
        solids.iter().for_each(|solid| picture.solid(&camera, solid));
        picture.text(text)?;
        Ok(picture)
    }

    /// Width and height.
    pub fn size(&self) -> (u32, u32) {
        (self.pixels.width(), self.pixels.height())
    }

    /// The colour of a pixel.
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        self.pixels.pixel(x, y).map(|c| [c.red(), c.green(), c.blue()])
    }

    /// Red, green, blue and 255 for each pixel, row by row.
    pub fn rgba(&self) -> &[u8] {
        self.pixels.data()
    }

    fn floor(&mut self, camera: &Camera, floor: &Solid) {
        // Only what is near, whose squares are all in front of the camera.
        let middle = floor.rotation.transpose() * (camera.centre - floor.position);
        let far = camera.half_height * FAR;
        let range = |half: f64, at: f64| {
            let half = if half > 0.0 { half } else { f64::INFINITY };
            ((at - far).max(-half), (at + far).min(half))
        };
        let (x, y) = (range(floor.size.x, middle.x), range(floor.size.y, middle.y));
        if x.0 >= x.1 || y.0 >= y.1 {
            return;
        }
        let square = square(camera.half_height);
        let quad = |x: (f64, f64), y: (f64, f64)| -> Vec<DVec2> {
            let corner = |x: f64, y: f64| floor.position + floor.rotation * DVec3::new(x, y, 0.0);
            let corners = [corner(x.0, y.0), corner(x.1, y.0), corner(x.1, y.1), corner(x.0, y.1)];
            corners.map(|corner| camera.project(corner)).to_vec()
        };
        self.fill(&quad(x, y), floor.rgba, 1.0);
        let cells = |(low, high): (f64, f64)| (low / square).floor() as i64..(high / square).ceil() as i64;
        let cut = |k: i64, (low, high): (f64, f64)| ((k as f64 * square).max(low), ((k + 1) as f64 * square).min(high));
        for i in cells(x) {
            for j in cells(y).filter(|j| (i + j).rem_euclid(2) == 1) {
                self.fill(&quad(cut(i, x), cut(j, y)), floor.rgba, CHECKER);
            }
        }
    }

    /// What the light's direction makes of a solid on the floor.
    fn shadow(&mut self, camera: &Camera, floor: &Solid, solid: &Solid) {
        let normal = floor.rotation.z_axis;
        let height = |point: DVec3| normal.dot(point - floor.position);
        if solid.shape == Shape::Plane || height(solid.position) < 0.0 {
            return;
        }
        let half = |half: f64| if half > 0.0 { half } else { f64::INFINITY };
        let drop = |point: DVec3| {
            let point = point - LIGHT * (height(point) / normal.dot(LIGHT));
            // A shadow ends where the floor does.
            let local = floor.rotation.transpose() * (point - floor.position);
            let (x, y) = (half(floor.size.x), half(floor.size.y));
            floor.position + floor.rotation * DVec3::new(local.x.clamp(-x, x), local.y.clamp(-y, y), 0.0)
        };
        let points = edge(solid, LIGHT).into_iter().map(|point| camera.project(drop(point))).collect();
        self.fill(&hull(points), floor.rgba, SHADOW);
    }

    fn solid(&mut self, camera: &Camera, solid: &Solid) {
        if camera.depth(solid.position) < camera.half_height * 0.1 {
            return;
        }
        let direction = solid.position - camera.eye;
        let outline =
            |solid: &Solid| hull(edge(solid, direction).into_iter().map(|point| camera.project(point)).collect());
        match solid.shape {
            Shape::Plane => {}
            Shape::Box | Shape::Cylinder => self.faces(camera, solid),
            Shape::Sphere | Shape::Capsule | Shape::Ellipsoid => {
                let bright = outline(&bright(solid, camera));
                // What one sees through has one shade, and so has what is only some pixels large.
                let plain = solid.rgba[3] < 1.0 || extent(&bright) < PLAIN;
                self.fill(&outline(solid), solid.rgba, if plain { 1.0 } else { SHADE });
                if !plain {
                    self.fill(&bright, solid.rgba, 1.0);
                }
            }
        }
        self.stroke(&outline(solid), solid.rgba);
    }

    /// The flat faces that are seen, each in one shade, and a cylinder's mantle.
    fn faces(&mut self, camera: &Camera, solid: &Solid) {
        let direction = solid.position - camera.eye;
        if solid.shape == Shape::Cylinder {
            let mantle = edge(solid, direction).into_iter().map(|point| camera.project(point)).collect();
            self.fill(&hull(mantle), solid.rgba, (SHADE + 1.0) / 2.0);
        }
        for axis in 0..3 {
            for side in [-1.0, 1.0] {
                let normal = solid.rotation.col(axis) * side;
                let round = solid.shape == Shape::Cylinder;
                let half = if round { solid.size.y } else { solid.size[axis] };
                let middle = solid.position + normal * half;
                if (round && axis != 2) || normal.dot(middle - camera.eye) >= 0.0 {
                    continue;
                }
                let corners: Vec<DVec3> = if round {
                    circle(middle, normal, solid.size.x).collect()
                } else {
                    let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
                    let rotation = glam::DMat3::from_cols(solid.rotation.col(u), solid.rotation.col(v), normal);
                    let face = Solid { position: middle, rotation, ..*solid };
                    rectangle(&face, solid.size[u], solid.size[v])
                };
                let corners: Vec<DVec2> = corners.into_iter().map(|corner| camera.project(corner)).collect();
                let light = normal.dot(LIGHT.normalize()).max(0.0);
                self.fill(&corners, solid.rgba, SHADE + (1.0 - SHADE) * light);
                self.stroke(&corners, solid.rgba);
            }
        }
    }

    fn fill(&mut self, corners: &[DVec2], [r, g, b, alpha]: [f64; 4], brightness: f64) {
        let Some(path) = path(corners) else { return };
        let rgb = [r, g, b].map(|c| (c * brightness).clamp(0.0, 1.0) as f32);
        let mut paint = Paint::default();
        paint.set_color(color(rgb, alpha as f32));
        self.pixels.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
    }

    fn stroke(&mut self, corners: &[DVec2], [r, g, b, alpha]: [f64; 4]) {
        let Some(path) = path(corners) else { return };
        let mut paint = Paint::default();
        paint.set_color(color([r, g, b].map(|c| (c * LINE).clamp(0.0, 1.0) as f32), alpha as f32));
        self.pixels.stroke_path(
            &path,
            &paint,
            &Stroke { width: 1.0, ..Stroke::default() },
            Transform::identity(),
            None,
        );
    }

    fn text(&mut self, text: &str) -> Result<(), RenderError> {
        let font = typeface(false).map_err(|error| RenderError::Drawing(error.to_string()))?;
        let (em, margin) = FONT;
        let width = self.pixels.width();
        for mut glyph in layout(&font, text, em).0 {
            glyph.position += point(margin as f32, (margin + em) as f32);
            let Some(outline) = font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            let pixels = self.pixels.pixels_mut();
            outline.draw(|dx, dy, coverage| {
                let (x, y) = (corner.x as i64 + i64::from(dx), corner.y as i64 + i64::from(dy));
                let inside = (0..i64::from(width)).contains(&x) && y >= 0;
                let index = (y * i64::from(width) + x) as usize;
                if let Some(pixel) = pixels.get_mut(index).filter(|_| inside) {
                    let mixed = [pixel.red(), pixel.green(), pixel.blue()].into_iter().zip(INK);
                    let mut mixed = mixed.map(|(below, ink)| {
                        let below = f32::from(below);
                        (below + coverage.clamp(0.0, 1.0) * (ink * 255.0 - below)).round() as u8
                    });
                    let mut next = || mixed.next().unwrap_or(0);
                    let opaque = PremultipliedColorU8::from_rgba(next(), next(), next(), u8::MAX);
                    *pixel = opaque.unwrap_or(*pixel);
                }
            });
        }
        Ok(())
    }
}

/// The part of a round solid that is bright: smaller, and nearer to the light.
fn bright(solid: &Solid, camera: &Camera) -> Solid {
    let (part, shift) = BRIGHT;
    // Behind the viewer's shoulder, so that the bright part is on the side that is seen.
    let light = (LIGHT.normalize() - camera.forward * 0.5).normalize();
    let local = solid.rotation.transpose() * light;
    let towards = match solid.shape {
        Shape::Ellipsoid => solid.rotation * (solid.size * (solid.size * local).normalize_or_zero()),
        _ => light * solid.size.x,
    };
    let size = match solid.shape {
        Shape::Capsule => DVec3::new(solid.size.x * part, solid.size.y, solid.size.z),
        _ => solid.size * part,
    };
    Solid { size, position: solid.position + towards * shift, ..*solid }
}

/// The longer side of what holds all points.
fn extent(points: &[DVec2]) -> f64 {
    let low = points.iter().copied().fold(DVec2::INFINITY, DVec2::min);
    let high = points.iter().copied().fold(DVec2::NEG_INFINITY, DVec2::max);
    (high - low).max_element()
}

/// A round number.
fn square(half_height: f64) -> f64 {
    let least = half_height * SQUARE;
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|step| step * power).find(|side| *side >= least).unwrap_or(10.0 * power)
}

fn color([r, g, b]: [f32; 3], alpha: f32) -> Color {
    Color::from_rgba(r, g, b, alpha.clamp(0.0, 1.0)).unwrap_or(Color::BLACK)
}

fn path(corners: &[DVec2]) -> Option<tiny_skia::Path> {
    let (first, rest) = corners.split_first()?;
    let mut builder = PathBuilder::new();
    builder.move_to(first.x as f32, first.y as f32);
    rest.iter().for_each(|corner| builder.line_to(corner.x as f32, corner.y as f32));
    builder.close();
    builder.finish()
}
