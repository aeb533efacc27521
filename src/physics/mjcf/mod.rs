//! The MJCF reader: a file, or text, becomes a compiled [`Model`].
//!
//! The supported part of the format is the table in `schema`; whatever is not in it is refused with its element, name, file and
//! line. Units and meanings are MuJoCo's (XML reference of version 3.12).

mod actuators;
mod attributes;
mod bodies;
mod classes;
mod contacts;
mod document;
mod error;
mod frame;
mod geoms;
mod inertia;
mod joints;
mod keyframes;
mod names;
mod schema;
mod sensors;
mod settings;
mod tendons;

use std::path::Path;

use self::attributes::Attributes;
use self::bodies::Tree;
use self::classes::Classes;
use self::document::Element;
pub use self::error::MjcfError;
use self::settings::Compiler;
use super::model::{Model, ModelFault, Softness};

/// Reads and compiles a model file and what it includes.
///
/// # Errors
/// A file that cannot be read, and the first element that is unknown, unsupported, incomplete or contradictory.
pub fn read(path: impl AsRef<Path>) -> Result<Model, MjcfError> {
    compile(&document::load(path.as_ref())?)
}

/// Compiles a model from text; `name` stands for the file in messages, and includes are looked for beside it.
///
/// # Errors
/// As [`read`].
pub fn parse(text: &str, name: &str) -> Result<Model, MjcfError> {
    compile(&document::parse(text, name)?)
}

fn compile(root: &Element) -> Result<Model, MjcfError> {
    schema::check(root)?;
    let compiler = Compiler::read(root)?;
    let classes = Classes::read(root)?;
    let mut model = Model { name: root.attribute("model").unwrap_or_default().into(), ..Model::default() };
    model.options = settings::options(root)?;
    Tree::read(root, &compiler, &classes)?.into_model(&mut model, &compiler)?;
    model.tendons = tendons::read(root, &compiler, &classes, &model)?;
    model.actuators = actuators::read(root, &compiler, &classes, &model)?;
    let pairs = contacts::read(root, &classes, &mut model)?;
    if let Err(fault) = model.complete(&pairs) {
        return Err(untouchable(root, &model, fault));
    }
    model.sensors = sensors::read(root, &model)?;
    model.keyframes = keyframes::read(root, &model)?;
    Ok(model)
}

/// Two geoms whose contact is not supported, at the place of the second.
fn untouchable(root: &Element, model: &Model, fault: ModelFault) -> MjcfError {
    let (ModelFault::Shapes(geoms) | ModelFault::Fixed(geoms) | ModelFault::Plane(geoms)) = fault;
    let [first, second] = geoms.map(|geom| &model.geoms[geom]);
    let called = |name: &str| if name.is_empty() { "without a name".to_string() } else { format!("`{name}`") };
    let (a, b) = (called(&first.name), called(&second.name));
    let message = match fault {
        ModelFault::Shapes(_) => format!(
            "contacts of a {} ({a}) with a {} ({b}) are not supported: set `contype` and `conaffinity` to 0, or exclude the bodies",
            first.shape, second.shape
        ),
        ModelFault::Plane(_) => format!("a plane ({b}) on a body that moves is not supported: planes stand still"),
        ModelFault::Fixed(_) => format!("is paired with the geom {a}, against which it does not move"),
    };
    find_geom(root, &second.name).unwrap_or(root).error(message)
}

fn find_geom<'a>(element: &'a Element, name: &str) -> Option<&'a Element> {
    let here = element.tag == "geom" && !name.is_empty() && element.attribute("name") == Some(name);
    if here { Some(element) } else { element.children.iter().find_map(|child| find_geom(child, name)) }
}

/// The `solref` and `solimp` pair of attributes.
fn softness(at: &Attributes<'_>, solref: &'static str, solimp: &'static str) -> Result<Softness, MjcfError> {
    let fallback = Softness::default();
    Ok(Softness {
        reference: at.partial(solref, fallback.reference)?,
        impedance: at.partial(solimp, fallback.impedance)?,
    })
}
