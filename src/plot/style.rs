//! The house style: colours, the typeface, tick positions and their labels.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};
use plotters::style::RGBColor;

use super::PlotError;

/// Text.
pub const INK: RGBColor = RGBColor(0x1f, 0x29, 0x33);
/// Secondary text.
pub const MUTED: RGBColor = RGBColor(0x66, 0x71, 0x7f);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(0xe7, 0xea, 0xee);
/// Axis lines and panel borders.
pub const FRAME: RGBColor = RGBColor(0xbf, 0xc7, 0xd0);
/// What belongs to no goal.
pub const GREY: RGBColor = RGBColor(0x9a, 0xa3, 0xad);
/// Paper.
pub const WHITE: RGBColor = RGBColor(0xff, 0xff, 0xff);

/// Colours that people with any colour vision tell apart (Okabe and Ito, 2008), without black and yellow. Groups of
/// runs take them in this order, and so do the six goals, counter-clockwise from 0 degrees.
pub const PALETTE: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2), // blue
    RGBColor(0xd5, 0x5e, 0x00), // vermillion
    RGBColor(0x00, 0x9e, 0x73), // bluish green
    RGBColor(0xcc, 0x79, 0xa7), // reddish purple
    RGBColor(0xe6, 0x9f, 0x00), // orange
    RGBColor(0x56, 0xb4, 0xe9), // sky blue
];

/// The typeface as SVG names it. The PNG is drawn with the first, which the binary carries; some systems know it as the
/// condensed face of the second, so the document asks for condensed faces; the others are about as wide.
pub const FONT_FAMILY: &str = "DejaVu Sans Condensed, DejaVu Sans, Helvetica, Arial, sans-serif";
/// Height of a lower-case x of that typeface, in ems.
pub const FONT_X_HEIGHT: f64 = 0.547;

/// The embedded typeface.
pub fn typeface(bold: bool) -> Result<FontRef<'static>, PlotError> {
    let bytes = if bold { dejavu::sans_condensed::bold() } else { dejavu::sans_condensed::regular() };
    FontRef::try_from_slice(bytes).map_err(|error| PlotError::Drawing(format!("the embedded font: {error}")))
}

/// One line of text, laid out from the origin along the baseline, with font size `em`: its glyphs and its width.
pub fn layout(font: &FontRef<'static>, text: &str, em: f64) -> (Vec<Glyph>, f64) {
    // ab_glyph's scale is the font's ascent plus descent, SVG's font size is the em.
    let height = font.units_per_em().map_or(1.0, |units| font.height_unscaled() / units);
    let scaled = font.as_scaled(PxScale::from(em as f32 * height));
    let (mut glyphs, mut pen, mut previous) = (Vec::new(), 0.0, None);
    for character in text.chars() {
        let id = scaled.glyph_id(character);
        pen += previous.map_or(0.0, |previous| scaled.kern(previous, id));
        glyphs.push(id.with_scale_and_position(scaled.scale(), point(pen, 0.0)));
        pen += scaled.h_advance(id);
        previous = Some(id);
    }
    (glyphs, f64::from(pen))
}

/// Round positions (1, 2 or 5 times a power of ten apart) within `low..=high`, about `wanted` of them.
pub fn ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 {
        return vec![low];
    }
    let raw = span / wanted.max(1) as f64;
    let magnitude = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * magnitude).find(|step| *step >= raw * 0.75);
    let step = step.unwrap_or(10.0 * magnitude);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|index| index as f64 * step).collect()
}

/// Labels of tick positions, with the same suffix and number of decimals for all: `0`, `0.5M`, `1.0M`.
pub fn tick_labels(ticks: &[f64]) -> Vec<String> {
    let largest = ticks.iter().fold(0.0_f64, |largest, tick| largest.max(tick.abs()));
    let (unit, suffix, least_decimals) = match largest {
        size if size >= 1e9 => (1e9, "G", 1),
        size if size >= 1e6 => (1e6, "M", 1),
        size if size >= 1e4 => (1e3, "k", 0),
        _ => (1.0, "", 0),
    };
    let step = ticks.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min) / unit;
    let needed = if step.is_finite() && step > 0.0 { (-(step.log10() + 1e-9).floor()).max(0.0) as usize } else { 0 };
    let decimals = needed.max(least_decimals);
    let label = |tick: &f64| match *tick {
        zero if zero.abs() < 1e-12 * largest.max(1e-300) || zero == 0.0 => "0".to_owned(),
        tick => format!("{:.decimals$}{suffix}", tick / unit).replace('-', "\u{2212}"),
    };
    ticks.iter().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_as_wide_as_the_advances_of_its_glyphs() {
        let font = typeface(false).unwrap();
        let width = |text: &str, em: f64| layout(&font, text, em).1;
        // A digit of DejaVu Sans Condensed is 0.573 em wide (the full typeface's 0.636 em, at 90 %).
        assert!((width("0000", 10.0) - 4.0 * 5.73).abs() < 0.05, "{}", width("0000", 10.0));
        assert!((width("MultiGoal", 20.0) - 2.0 * width("MultiGoal", 10.0)).abs() < 1e-3);
        assert!(layout(&typeface(true).unwrap(), "MultiGoal", 10.0).1 > width("MultiGoal", 10.0));
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 5.24e6, 5), [0.0, 1e6, 2e6, 3e6, 4e6, 5e6]);
        assert_eq!(ticks(-1.0, 9.0, 5), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(ticks(3.0, 3.0, 5), [3.0]);
        assert_eq!(ticks(f64::NAN, 1.0, 5).len(), 1);
    }

    #[test]
    fn labels_share_suffix_and_decimals() {
        assert_eq!(tick_labels(&[0.0, 1e6, 2e6]), ["0", "1.0M", "2.0M"]);
        assert_eq!(tick_labels(&[0.0, 2.5e5, 5e5]), ["0", "250k", "500k"]);
        assert_eq!(tick_labels(&[-0.5, 0.0, 0.5]), ["\u{2212}0.5", "0", "0.5"]);
        assert_eq!(tick_labels(&[0.0, 2.0, 4.0]), ["0", "2", "4"]);
    }
}
