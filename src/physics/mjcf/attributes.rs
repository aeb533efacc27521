//! Typed access to an element's attributes, with the defaults of its class behind them.

use super::MjcfError;
use super::document::Element;

/// An element with the default elements that stand behind it, outermost class first.
#[derive(Clone)]
pub(super) struct Attributes<'a> {
    pub element: &'a Element,
    pub defaults: Vec<&'a Element>,
}

/// `true`, `false` or `auto`.
pub(super) const TRISTATE: &[(&str, Option<bool>)] = &[("true", Some(true)), ("false", Some(false)), ("auto", None)];

impl<'a> Attributes<'a> {
    /// An element without defaults.
    pub fn plain(element: &'a Element) -> Self {
        Self { element, defaults: Vec::new() }
    }

    /// The layers that set an attribute, outermost first, the element itself last.
    fn layers(&self, name: &'a str) -> impl DoubleEndedIterator<Item = (&'a Element, &'a str)> {
        let layers = self.defaults.iter().copied().chain([self.element]).collect::<Vec<_>>();
        layers.into_iter().filter_map(move |layer| Some((layer, layer.attribute(name)?)))
    }

    /// The innermost value.
    pub fn text(&self, name: &'a str) -> Option<&'a str> {
        self.layers(name).next_back().map(|(_, value)| value)
    }

    /// Whether the element or a default sets it.
    pub fn has(&self, name: &'a str) -> bool {
        self.text(name).is_some()
    }

    /// A value that must be there.
    pub fn required(&self, name: &'a str) -> Result<&'a str, MjcfError> {
        self.text(name).ok_or_else(|| self.element.error(format!("attribute `{name}` is missing")))
    }

    /// The element's name, or an empty one.
    pub fn name(&self) -> String {
        self.element.attribute("name").unwrap_or_default().to_string()
    }

    /// All numbers of the innermost value; at most `most` of them.
    pub fn numbers(&self, name: &'a str, most: usize) -> Result<Option<Vec<f64>>, MjcfError> {
        let Some((layer, text)) = self.layers(name).next_back() else { return Ok(None) };
        parse(layer, name, text, most).map(Some)
    }

    /// Up to `N` numbers; what a layer leaves out keeps the value of the layer behind it, and at last `fallback`.
    pub fn partial<const N: usize>(&self, name: &'a str, fallback: [f64; N]) -> Result<[f64; N], MjcfError> {
        let mut result = fallback;
        for (layer, text) in self.layers(name) {
            let values = parse(layer, name, text, N)?;
            result[..values.len()].copy_from_slice(&values);
        }
        Ok(result)
    }

    /// Exactly `N` numbers, if the attribute is there.
    pub fn vector<const N: usize>(&self, name: &'a str) -> Result<Option<[f64; N]>, MjcfError> {
        let Some((layer, text)) = self.layers(name).next_back() else { return Ok(None) };
        let values = parse(layer, name, text, N)?;
        <[f64; N]>::try_from(values)
            .map(Some)
            .map_err(|values| layer.error(format!("`{name}` is `{text}`: {} numbers, expected {N}", values.len())))
    }

    /// One number.
    pub fn number(&self, name: &'a str, fallback: f64) -> Result<f64, MjcfError> {
        Ok(self.vector::<1>(name)?.map_or(fallback, |[value]| value))
    }

    /// A number that must not be negative.
    pub fn magnitude(&self, name: &'a str, fallback: f64) -> Result<f64, MjcfError> {
        match self.number(name, fallback)? {
            value if value >= 0.0 => Ok(value),
            value => Err(self.element.error(format!("`{name}` is {value}, expected 0 or more"))),
        }
    }

    /// A number that is zero, because anything else is not supported.
    pub fn zero(&self, name: &'a str) -> Result<(), MjcfError> {
        match self.numbers(name, 6)? {
            Some(values) if values.iter().any(|&value| value != 0.0) => {
                let text = self.text(name).unwrap_or_default();
                Err(self.element.error(format!("`{name}` is `{text}`: only 0 is supported")))
            }
            _ => Ok(()),
        }
    }

    /// A whole number, not negative.
    pub fn integer(&self, name: &'a str, fallback: u32) -> Result<u32, MjcfError> {
        let Some((layer, text)) = self.layers(name).next_back() else { return Ok(fallback) };
        text.trim().parse().map_err(|_| layer.error(format!("`{name}` is `{text}`, expected a whole number from 0")))
    }

    /// One of the listed words.
    pub fn keyword<T: Copy>(&self, name: &'a str, known: &[(&str, T)], fallback: T) -> Result<T, MjcfError> {
        let Some((layer, text)) = self.layers(name).next_back() else { return Ok(fallback) };
        known.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            layer.error(format!("`{name}` is `{text}`, supported: {}", words.join(", ")))
        })
    }

    /// `true` or `false`.
    pub fn boolean(&self, name: &'a str, fallback: bool) -> Result<bool, MjcfError> {
        self.keyword(name, &[("true", true), ("false", false)], fallback)
    }

    /// A range and the switch that says whether it holds: `Some` where it does. `automatic` is the compiler's `autolimits`.
    pub fn limits(&self, range: &'a str, switch: &'a str, automatic: bool) -> Result<Option<[f64; 2]>, MjcfError> {
        let values = self.vector::<2>(range)?;
        let set = values.is_some_and(|[low, high]| low != 0.0 || high != 0.0);
        let limited = match self.keyword(switch, TRISTATE, None)? {
            Some(limited) => limited,
            None if set && !automatic => {
                return Err(self
                    .element
                    .error(format!("`{range}` is given without `{switch}` while `autolimits` is false")));
            }
            None => set,
        };
        match (limited, values) {
            (false, _) => Ok(None),
            (true, Some([low, high])) if low < high => Ok(Some([low, high])),
            (true, Some([low, high])) => {
                Err(self.element.error(format!("`{range}` is {low} {high}, expected a smaller and a larger number")))
            }
            (true, None) => Err(self.element.error(format!("is limited but has no `{range}`"))),
        }
    }
}

fn parse(element: &Element, name: &str, text: &str, most: usize) -> Result<Vec<f64>, MjcfError> {
    let values: Option<Vec<f64>> = text.split_ascii_whitespace().map(|word| word.parse().ok()).collect();
    match values {
        Some(values) if values.iter().any(|value: &f64| !value.is_finite()) => {
            Err(element.error(format!("`{name}` is `{text}`, expected finite numbers")))
        }
        Some(values) if (1..=most).contains(&values.len()) => Ok(values),
        Some(values) => Err(element
            .error(format!("`{name}` is `{text}`: {} numbers, expected {most} or fewer, at least 1", values.len()))),
        None => Err(element.error(format!("`{name}` is `{text}`, expected numbers"))),
    }
}
