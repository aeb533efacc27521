//! Default classes: for each, the elements that stand behind an element of the class.

use std::collections::HashMap;

use super::MjcfError;
use super::attributes::Attributes;
use super::document::Element;

/// The tags of actuators; their defaults are one set.
pub(super) const ACTUATORS: &[&str] = &["general", "motor", "position", "velocity"];

/// All default classes of a model. The outermost is `main`, whatever its name in the file.
pub(super) struct Classes<'a> {
    /// Class name to its own elements, outermost class first.
    elements: HashMap<&'a str, Vec<&'a Element>>,
    outermost: &'a str,
}

impl<'a> Classes<'a> {
    /// Reads all `default` sections of a model.
    pub fn read(root: &'a Element) -> Result<Self, MjcfError> {
        let mut classes = Self { elements: HashMap::new(), outermost: "main" };
        for (index, section) in root.all("default").enumerate() {
            let name = section.attribute("class");
            match name {
                Some(name) if index == 0 => classes.outermost = name,
                Some(name) if name != classes.outermost => {
                    return Err(section.error(format!("class `{name}` is outermost, where only one class can be")));
                }
                _ => {}
            }
            classes.add(section, classes.outermost, Vec::new())?;
        }
        classes.elements.entry(classes.outermost).or_default();
        Ok(classes)
    }

    fn add(&mut self, section: &'a Element, name: &'a str, behind: Vec<&'a Element>) -> Result<(), MjcfError> {
        let own = section.children.iter().filter(|child| child.tag != "default");
        let mut elements = behind;
        if name == self.outermost {
            elements.extend(self.elements.remove(name).unwrap_or_default());
        } else if self.elements.contains_key(name) {
            return Err(section.error(format!("class `{name}` is defined twice, or inside itself")));
        }
        elements.extend(own);
        self.elements.insert(name, elements.clone());
        for nested in section.all("default") {
            match nested.attribute("class") {
                Some(class) if class == self.outermost => {
                    return Err(nested.error(format!("class `{class}` is defined twice, or inside itself")));
                }
                Some(class) => self.add(nested, class, elements.clone())?,
                None => return Err(nested.error("attribute `class` is missing")),
            }
        }
        Ok(())
    }

    /// The default elements with one of the tags that stand behind `element`: of the class it names, else of `childclass`.
    fn behind(
        &self,
        element: &'a Element,
        childclass: Option<&'a str>,
        tags: &[&str],
    ) -> Result<Vec<&'a Element>, MjcfError> {
        let class = element.attribute("class").or(childclass).unwrap_or(self.outermost);
        let class = if class == "main" && !self.elements.contains_key("main") { self.outermost } else { class };
        let elements =
            self.elements.get(class).ok_or_else(|| element.error(format!("unknown default class `{class}`")))?;
        Ok(elements.iter().copied().filter(|default| tags.contains(&default.tag.as_str())).collect())
    }

    /// An element's attributes with the defaults of its own tag.
    pub fn of(&self, element: &'a Element, childclass: Option<&'a str>) -> Result<Attributes<'a>, MjcfError> {
        self.tagged(element, childclass, &[element.tag.as_str()])
    }

    /// An element's attributes with the defaults of other tags than its own.
    pub fn tagged(
        &self,
        element: &'a Element,
        childclass: Option<&'a str>,
        tags: &[&str],
    ) -> Result<Attributes<'a>, MjcfError> {
        Ok(Attributes { element, defaults: self.behind(element, childclass, tags)? })
    }

    /// Refuses a `childclass` that does not exist.
    pub fn check(&self, element: &Element, class: &str) -> Result<(), MjcfError> {
        match class == "main" || self.elements.contains_key(class) {
            true => Ok(()),
            false => Err(element.error(format!("unknown default class `{class}`"))),
        }
    }
}
