//! A model file as a tree of elements, includes resolved, every element with its file and line.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::MjcfError;

/// One XML element.
#[derive(Debug, Clone)]
pub(super) struct Element {
    pub tag: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Element>,
    pub file: Rc<str>,
    pub line: u32,
}

impl Element {
    /// The value of an attribute of this element itself.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Children with the tag, in document order.
    pub fn all<'a>(&'a self, tag: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.tag == tag)
    }

    /// An error that names this element and its place.
    pub fn error(&self, message: impl Into<String>) -> MjcfError {
        let element = match self.attribute("name") {
            Some(name) => format!("<{} name=\"{name}\">", self.tag),
            None => format!("<{}>", self.tag),
        };
        MjcfError::Element { file: self.file.to_string(), line: self.line, element, message: message.into() }
    }
}

/// Reads a file and what it includes; the result is the `mujoco` element.
pub(super) fn load(path: &Path) -> Result<Element, MjcfError> {
    Loader::beside(path).root(&read(path)?, &path.display().to_string())
}

/// Reads a model from text; `name` stands for the file in messages, and includes are looked for beside it.
pub(super) fn parse(text: &str, name: &str) -> Result<Element, MjcfError> {
    Loader::beside(Path::new(name)).root(text, name)
}

fn read(path: &Path) -> Result<String, MjcfError> {
    std::fs::read_to_string(path).map_err(|source| MjcfError::Io { path: path.into(), source })
}

struct Loader {
    /// Includes are relative to the main file, wherever they stand.
    folder: PathBuf,
    /// MuJoCo's rule: a file may be included once; this also ends circles.
    seen: Vec<PathBuf>,
}

impl Loader {
    fn beside(file: &Path) -> Self {
        let folder = file.parent().unwrap_or(Path::new("")).to_path_buf();
        Self { folder, seen: vec![file.to_path_buf()] }
    }

    fn root(&mut self, text: &str, file: &str) -> Result<Element, MjcfError> {
        let document =
            roxmltree::Document::parse(text).map_err(|source| MjcfError::Xml { file: file.into(), source })?;
        let root = self.element(document.root_element(), &document, &Rc::from(file))?;
        match root.tag.as_str() {
            "mujoco" | "mujocoinclude" => Ok(root),
            _ => Err(root.error("the outermost element must be <mujoco>")),
        }
    }

    fn element(
        &mut self,
        node: roxmltree::Node,
        document: &roxmltree::Document,
        file: &Rc<str>,
    ) -> Result<Element, MjcfError> {
        let attributes = node.attributes().map(|a| (a.name().to_string(), a.value().to_string())).collect();
        let line = document.text_pos_at(node.range().start).row;
        let tag = node.tag_name().name().to_string();
        let mut element = Element { tag, attributes, children: Vec::new(), file: file.clone(), line };
        for child in node.children() {
            if child.is_text() && child.text().is_some_and(|text| !text.trim().is_empty()) {
                return Err(element.error(format!("unexpected text `{}`", child.text().unwrap_or_default().trim())));
            }
            if !child.is_element() {
                continue;
            }
            let child = self.element(child, document, file)?;
            match child.tag.as_str() {
                "include" => element.children.extend(self.include(&child)?),
                _ => element.children.push(child),
            }
        }
        Ok(element)
    }

    fn include(&mut self, element: &Element) -> Result<Vec<Element>, MjcfError> {
        let name = element.attribute("file").ok_or_else(|| element.error("attribute `file` is missing"))?;
        if element.attributes.len() > 1 || !element.children.is_empty() {
            return Err(element.error("takes the attribute `file` and nothing else"));
        }
        let path = self.folder.join(name);
        let same = |seen: &PathBuf| {
            seen == &path || matches!((seen.canonicalize(), path.canonicalize()), (Ok(a), Ok(b)) if a == b)
        };
        if self.seen.iter().any(same) {
            return Err(element.error(format!("`{name}` is included more than once")));
        }
        self.seen.push(path.clone());
        let text = read(&path).map_err(|error| element.error(error.to_string()))?;
        Ok(self.root(&text, &path.display().to_string())?.children)
    }
}
