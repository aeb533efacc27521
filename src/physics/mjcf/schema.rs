//! What may stand in a model file. Everything else is refused, so that nothing is silently dropped.

use super::MjcfError;
use super::document::Element;

/// One kind of element.
struct Rule {
    /// Its tag, with the parent before a slash where the same tag means different things.
    kind: &'static str,
    /// Attributes that are read.
    read: &'static str,
    /// Attributes that change pictures, names or memory and no motion.
    ignored: &'static str,
    /// Tags of children that are read.
    children: &'static str,
    /// Tags of children that change no motion; what is in them is not looked at.
    skipped: &'static str,
}

const fn rule(
    kind: &'static str,
    read: &'static str,
    ignored: &'static str,
    children: &'static str,
    skipped: &'static str,
) -> Rule {
    Rule { kind, read, ignored, children, skipped }
}

/// All elements of the supported part of MJCF.
const RULES: &[Rule] = &[
    rule(
        "mujoco",
        "model",
        "",
        "compiler option default worldbody contact tendon actuator sensor keyframe asset equality",
        "visual statistic size custom",
    ),
    rule(
        "compiler",
        "angle eulerseq inertiafromgeom inertiagrouprange autolimits settotalmass boundmass boundinertia balanceinertia \
         coordinate fusestatic discardvisual alignfree",
        "meshdir texturedir assetdir strippath usethread convexhull fitaabb exactmeshinertia saveinertial",
        "",
        "lengthrange",
    ),
    rule(
        "option",
        "timestep gravity wind density viscosity impratio integrator cone solver noslip_iterations",
        "tolerance ls_tolerance noslip_tolerance ccd_tolerance iterations ls_iterations ccd_iterations sdf_iterations \
         sdf_initpoints jacobian apirate magnetic o_margin o_solref o_solimp o_friction",
        "flag",
        "",
    ),
    rule(
        "flag",
        "constraint frictionloss limit contact spring damper gravity clampctrl warmstart filterparent actuation refsafe \
         eulerdamp override multiccd",
        "sensor midphase energy fwdinv invdiscrete autoreset nativeccd island equality",
        "",
        "",
    ),
    rule("asset", "", "", "", "texture material"),
    rule("equality", "", "", "", ""),
    rule(
        "default",
        "class",
        "",
        "default joint geom site general motor position velocity tendon pair",
        "camera light material",
    ),
    rule("worldbody", "", "", "body frame geom site", "light camera"),
    rule(
        "body",
        "pos quat axisangle xyaxes zaxis euler childclass gravcomp mocap",
        "user",
        "inertial joint freejoint geom site body frame",
        "light camera",
    ),
    rule(
        "frame",
        "pos quat axisangle xyaxes zaxis euler childclass",
        "",
        "joint freejoint geom site body frame",
        "light camera",
    ),
    rule("inertial", "pos quat axisangle xyaxes zaxis euler mass diaginertia fullinertia", "", "", ""),
    rule(
        "joint",
        "type pos axis range limited margin ref springref stiffness damping armature frictionloss solreflimit solimplimit \
         solreffriction solimpfriction actuatorfrcrange actuatorfrclimited springdamper actuatorgravcomp",
        "group user",
        "",
        "",
    ),
    rule("freejoint", "align", "group", "", ""),
    rule(
        "geom",
        "type pos quat axisangle xyaxes zaxis euler fromto size mass density contype conaffinity condim priority friction \
         solmix solref solimp margin gap shellinertia fluidshape group rgba",
        "material user",
        "",
        "",
    ),
    rule("site", "type pos quat axisangle xyaxes zaxis euler fromto size rgba", "material group user", "", ""),
    rule("contact", "", "", "pair exclude", ""),
    rule("pair", "geom1 geom2 condim friction solref solimp margin gap", "", "", ""),
    rule("exclude", "body1 body2", "", "", ""),
    rule("tendon", "", "", "fixed spatial", ""),
    rule("fixed", TENDON, "group user", "fixed/joint=joint", ""),
    rule("spatial", TENDON, "width material rgba group user", "spatial/site=site", ""),
    rule("default/tendon", TENDON, "width material rgba group user", "", ""),
    rule("fixed/joint", "joint coef", "", "", ""),
    rule("spatial/site", "site", "", "", ""),
    rule("actuator", "", "", "general motor position velocity", ""),
    rule("general", "gaintype biastype gainprm biasprm dyntype dynprm actlimited actrange actdim", "", "", ""),
    rule("motor", "", "", "", ""),
    rule("position", "kp kv", "", "", ""),
    rule("velocity", "kv", "", "", ""),
    rule("keyframe", "", "", "key", ""),
    rule("key", "time qpos qvel ctrl act mpos mquat", "", "", ""),
    rule("sensor", "", "", SENSORS, ""),
    rule("jointpos", "joint", "", "", ""),
    rule("jointvel", "joint", "", "", ""),
    rule("framepos", "objtype objname", "", "", ""),
    rule("framexaxis", "objtype objname", "", "", ""),
    rule("frameyaxis", "objtype objname", "", "", ""),
    rule("framezaxis", "objtype objname", "", "", ""),
    rule("touch", "site", "", "", ""),
    rule("velocimeter", "site", "", "", ""),
    rule("gyro", "site", "", "", ""),
    rule("subtreelinvel", "body", "", "", ""),
];

const TENDON: &str = "limited range solreflimit solimplimit solreffriction solimpfriction frictionloss margin stiffness damping \
                      springlength armature actuatorfrcrange actuatorfrclimited";
const SENSORS: &str =
    "jointpos jointvel framepos framexaxis frameyaxis framezaxis touch velocimeter gyro subtreelinvel";
/// What every actuator has.
const TRANSMISSION: &str =
    "joint tendon site gear ctrlrange ctrllimited forcerange forcelimited inheritrange cranklength";
/// What every named element has.
const COMMON: &str = "name class";
/// What every sensor has; none of these changes the value that is reported.
const SENSOR_COMMON: &str = "user";

fn lists(words: &str, word: &str) -> bool {
    words.split_ascii_whitespace().any(|known| known == word)
}

fn find(kind: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.kind == kind)
}

/// Refuses the first element or attribute, in document order, that is not in the tables.
pub(super) fn check(root: &Element) -> Result<(), MjcfError> {
    match find("mujoco") {
        Some(rule) => check_element(root, rule),
        None => Ok(()),
    }
}

fn check_element(element: &Element, rule: &'static Rule) -> Result<(), MjcfError> {
    let actuator = super::classes::ACTUATORS.contains(&rule.kind);
    let sensor = lists(SENSORS, rule.kind);
    for (name, _) in &element.attributes {
        let known = lists(rule.read, name)
            || lists(rule.ignored, name)
            || lists(COMMON, name)
            || (actuator && (lists(TRANSMISSION, name) || lists("group user", name)))
            || (sensor && lists(SENSOR_COMMON, name));
        if !known {
            return Err(element.error(format!("attribute `{name}` is not supported")));
        }
    }
    for child in &element.children {
        if lists(rule.skipped, &child.tag) {
            continue;
        }
        let special = format!("{}/{}", rule.kind, child.tag);
        let listed = lists(rule.children, &child.tag) || rule.children.contains(&format!("{special}="));
        match find(&special).or_else(|| find(&child.tag)) {
            Some(rule) if listed => check_element(child, rule)?,
            _ => return Err(child.error(format!("is not supported inside <{}>", element.tag))),
        }
    }
    Ok(())
}
