//! A bitmap backend for plotters with exact-coverage anti-aliasing.
//!
//! plotters' own bitmap draws wide lines as even-odd polygons on whole pixels, which leaves holes where a line crosses
//! itself and blends joints twice; a thousand translucent trajectories show both. Here every shape first fills a
//! coverage mask and is then blended once.

use std::convert::Infallible;

use ab_glyph::Font;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontStyle,
    FontTransform,
};

use super::canvas::{Point, SVG_FONT_DIVISOR, distance_to_segment};
use super::style::{FONT_X_HEIGHT, layout, typeface};

/// Rows of samples a pixel row in polygons; across, coverage is exact.
const SUBROWS: usize = 4;

/// An RGB image in the making. Backend coordinates are fractions of its pixels.
pub struct Raster {
    width: usize,
    height: usize,
    units_per_pixel: f64,
    /// [height, width], 0 to 255; f32, because a thousand faint lines would drown in rounding.
    pixels: Vec<[f32; 3]>,
    /// [height, width], coverage of the shape being drawn, 0 elsewhere.
    mask: Vec<f32>,
    /// Indices of the mask that are not 0.
    touched: Vec<usize>,
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl Raster {
    /// A white image of `size` pixels, each `units_per_pixel` backend units wide.
    pub fn new((width, height): (u32, u32), units_per_pixel: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        let (pixels, mask) = (vec![[255.0; 3]; width * height], vec![0.0; width * height]);
        Self { width, height, units_per_pixel: f64::from(units_per_pixel), pixels, mask, touched: Vec::new() }
    }

    /// The image as bytes, [height, width, 3].
    pub fn into_rgb(self) -> Vec<u8> {
        self.pixels.iter().flatten().map(|value| value.round().clamp(0.0, 255.0) as u8).collect()
    }

    fn to_pixels(&self, (x, y): BackendCoord) -> Point {
        (f64::from(x) / self.units_per_pixel, f64::from(y) / self.units_per_pixel)
    }

    /// Changes the coverage of one pixel of the mask; positions outside the image are ignored.
    fn cover(&mut self, x: i64, y: i64, change: impl FnOnce(f32) -> f32) {
        if (0..self.width as i64).contains(&x) && (0..self.height as i64).contains(&y) {
            let index = y as usize * self.width + x as usize;
            let before = self.mask[index];
            let after = change(before);
            if before == 0.0 && after > 0.0 {
                self.touched.push(index);
            }
            self.mask[index] = after;
        }
    }

    /// Blends the masked shape over the image and clears the mask.
    fn blend(&mut self, color: BackendColor) {
        let paint = [color.rgb.0, color.rgb.1, color.rgb.2].map(f32::from);
        for index in self.touched.drain(..) {
            let alpha = color.alpha as f32 * self.mask[index].min(1.0);
            for (value, paint) in self.pixels[index].iter_mut().zip(paint) {
                *value += alpha * (paint - *value);
            }
            self.mask[index] = 0.0;
        }
    }

    /// Adds the pixels within `half_width` of a segment: the union over segments, so joints are round and count once.
    fn cover_segment(&mut self, a: Point, b: Point, half_width: f64) {
        let pad = half_width + 1.0;
        // Lines thinner than a pixel cover a part of it.
        let strongest = (2.0 * half_width).min(1.0);
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let top = ((a.1.min(b.1) - pad).floor() as i64).max(0);
        let bottom = ((a.1.max(b.1) + pad).ceil() as i64).min(self.height as i64);
        for row in top..bottom {
            let y = row as f64 + 0.5;
            let (mut left, mut right) = (a.0.min(b.0) - pad, a.0.max(b.0) + pad);
            if dy.abs() > 1e-9 {
                let (middle, reach) = (a.0 + (y - a.1) * dx / dy, pad * dx.hypot(dy) / dy.abs());
                (left, right) = (left.max(middle - reach), right.min(middle + reach));
            }
            for column in left.floor() as i64..=right.ceil() as i64 {
                let distance = distance_to_segment((column as f64 + 0.5, y), a, b);
                let coverage = ((half_width.max(0.5) + 0.5 - distance).clamp(0.0, 1.0) * strongest) as f32;
                if coverage > 0.0 {
                    self.cover(column, row, |before| before.max(coverage));
                }
            }
        }
    }

    /// Adds the inside of a polygon by the even-odd rule.
    fn cover_polygon(&mut self, corners: &[Point]) {
        let ys = || corners.iter().map(|corner| corner.1);
        let top = ys().fold(f64::INFINITY, f64::min).max(0.0).floor() as i64;
        let bottom = ys().fold(0.0, f64::max).min(self.height as f64).ceil() as i64;
        for subrow in top * SUBROWS as i64..bottom * SUBROWS as i64 {
            let y = (subrow as f64 + 0.5) / SUBROWS as f64;
            let edges = corners.iter().zip(corners.iter().cycle().skip(1));
            let mut crossings: Vec<f64> = edges
                .filter(|(a, b)| (a.1 <= y) != (b.1 <= y))
                .map(|(a, b)| a.0 + (y - a.1) / (b.1 - a.1) * (b.0 - a.0))
                .collect();
            crossings.sort_by(f64::total_cmp);
            for pair in crossings.chunks_exact(2) {
                let (left, right) = (pair[0].max(0.0), pair[1].min(self.width as f64));
                for column in left.floor() as i64..right.ceil() as i64 {
                    let inside = right.min(column as f64 + 1.0) - left.max(column as f64);
                    let row = subrow.div_euclid(SUBROWS as i64);
                    self.cover(column, row, |before| before + inside.max(0.0) as f32 / SUBROWS as f32);
                }
            }
        }
    }
}

impl DrawingBackend for Raster {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        let units = |pixels: usize| (pixels as f64 * self.units_per_pixel) as u32;
        (units(self.width), units(self.height))
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        let (x, y) = self.to_pixels(point);
        let area = (1.0 / (self.units_per_pixel * self.units_per_pixel)) as f32;
        self.cover(x.floor() as i64, y.floor() as i64, |before| before + area);
        self.blend(color);
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let half_width = f64::from(style.stroke_width()) / self.units_per_pixel / 2.0;
        let points: Vec<Point> = path.into_iter().map(|point| self.to_pixels(point)).collect();
        for pair in points.windows(2) {
            self.cover_segment(pair[0], pair[1], half_width);
        }
        self.blend(style.color());
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S, fill: bool) -> Drawn {
        let corners = [from, (to.0, from.1), to, (from.0, to.1)];
        if fill { self.fill_polygon(corners, style) } else { self.draw_path(corners.into_iter().chain([from]), style) }
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, corners: I, style: &S) -> Drawn {
        let corners: Vec<Point> = corners.into_iter().map(|corner| self.to_pixels(corner)).collect();
        self.cover_polygon(&corners);
        self.blend(style.color());
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, center: BackendCoord, radius: u32, style: &S, fill: bool) -> Drawn {
        let (x, y) = self.to_pixels(center);
        let radius = f64::from(radius) / self.units_per_pixel;
        let half_width = f64::from(style.stroke_width()) / self.units_per_pixel / 2.0;
        let reach = radius + half_width + 1.0;
        for row in (y - reach).floor() as i64..=(y + reach).ceil() as i64 {
            for column in (x - reach).floor() as i64..=(x + reach).ceil() as i64 {
                let distance = (column as f64 + 0.5 - x).hypot(row as f64 + 0.5 - y);
                let coverage = if fill {
                    (radius + 0.5 - distance).clamp(0.0, 1.0)
                } else {
                    (half_width.max(0.5) + 0.5 - (distance - radius).abs()).clamp(0.0, 1.0)
                };
                if coverage > 0.0 {
                    self.cover(column, row, |_| coverage as f32);
                }
            }
        }
        self.blend(style.color());
        Ok(())
    }

    /// Places the baseline where plotters' SVG backend puts it, so that both files look the same.
    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, position: BackendCoord) -> Drawn {
        let em = style.size() / SVG_FONT_DIVISOR / self.units_per_pixel;
        let bold = matches!(style.style(), FontStyle::Bold);
        let font = typeface(bold).map_err(|error| DrawingErrorKind::FontError(Box::new(error)))?;
        let (glyphs, width) = layout(&font, text, em);
        let left = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => -width / 2.0,
            HPos::Right => -width,
        };
        let below = match style.anchor().v_pos {
            VPos::Top => 0.76,
            VPos::Center => FONT_X_HEIGHT / 2.0,
            VPos::Bottom => -FONT_X_HEIGHT / 2.0,
        };
        let at = self.to_pixels(position);
        let upwards = matches!(style.transform(), FontTransform::Rotate270);
        // Upward text is laid out round the origin and turned pixel by pixel.
        let (x, y) = if upwards { (left, below * em) } else { (at.0 + left, at.1 + below * em) };
        for mut glyph in glyphs {
            glyph.position += ab_glyph::point(x as f32, y as f32);
            let Some(outline) = font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            let (column, row) = (corner.x as i64, corner.y as i64);
            outline.draw(|dx, dy, coverage| {
                let (x, y) = (column + i64::from(dx), row + i64::from(dy));
                let (x, y) = if upwards { (at.0.round() as i64 + y, at.1.round() as i64 - x - 1) } else { (x, y) };
                self.cover(x, y, |before| before.max(coverage));
            });
        }
        self.blend(style.color());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLACK: BackendColor = BackendColor { alpha: 1.0, rgb: (0, 0, 0) };

    fn ink(raster: &Raster) -> f64 {
        raster.pixels.iter().map(|pixel| f64::from(255.0 - pixel[0]) / 255.0).sum()
    }

    #[test]
    fn a_polygon_covers_its_area_whatever_its_place_in_the_pixel_grid() {
        let mut raster = Raster::new((20, 20), 2);
        raster.cover_polygon(&[(3.25, 4.5), (10.75, 4.5), (10.75, 9.25), (3.25, 9.25)]);
        raster.blend(BLACK);
        assert!((ink(&raster) - 7.5 * 4.75).abs() < 1e-3, "{}", ink(&raster));
    }

    #[test]
    fn a_translucent_line_that_crosses_itself_is_blended_once() {
        let mut raster = Raster::new((40, 40), 1);
        let half = BackendColor { alpha: 0.5, ..BLACK };
        for (a, b) in [((5.0, 5.0), (35.0, 35.0)), ((35.0, 35.0), (35.0, 5.0)), ((35.0, 5.0), (5.0, 35.0))] {
            raster.cover_segment(a, b, 2.0);
        }
        raster.blend(half);
        let darkest = raster.pixels.iter().map(|pixel| pixel[0]).fold(255.0, f32::min);
        assert!((darkest - 127.5).abs() < 1e-3, "{darkest}");
        assert!(raster.mask.iter().all(|&coverage| coverage == 0.0), "the mask is clean for the next shape");
    }

    #[test]
    fn shapes_outside_the_image_are_clipped() {
        let mut raster = Raster::new((8, 8), 1);
        raster.cover_segment((-50.0, -50.0), (60.0, 60.0), 1.0);
        raster.cover_polygon(&[(-9.0, -9.0), (99.0, -9.0), (99.0, 99.0), (-9.0, 99.0)]);
        raster.blend(BLACK);
        assert!((ink(&raster) - 64.0).abs() < 1e-3);
    }
}
