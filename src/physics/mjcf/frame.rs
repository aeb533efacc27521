//! Positions and orientations in all their notations.

use glam::{DMat3, DQuat, DVec3};

use super::MjcfError;
use super::attributes::Attributes;
use super::settings::Compiler;

/// A frame in the frame around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pose {
    pub position: DVec3,
    pub rotation: DQuat,
}

impl Pose {
    pub const IDENTITY: Self = Self { position: DVec3::ZERO, rotation: DQuat::IDENTITY };

    /// `inner`, given in this frame, in the frame around this one.
    pub fn then(self, inner: Self) -> Self {
        Self { position: self.position + self.rotation * inner.position, rotation: self.rotation * inner.rotation }
    }
}

/// The shortest rotation that takes the z axis to a direction; half a turn is about the x axis.
pub(super) fn from_z(direction: DVec3) -> DQuat {
    let to = direction.normalize();
    let axis = DVec3::Z.cross(to);
    let sine = axis.length();
    let axis = if sine < 1e-10 { DVec3::X } else { axis / sine };
    DQuat::from_axis_angle(axis, sine.atan2(to.z)).normalize()
}

const ORIENTATIONS: [&str; 5] = ["quat", "axisangle", "xyaxes", "zaxis", "euler"];

/// `pos` and whichever orientation is given.
pub(super) fn pose(attributes: &Attributes, compiler: &Compiler) -> Result<Pose, MjcfError> {
    let position = DVec3::from(attributes.vector::<3>("pos")?.unwrap_or([0.0; 3]));
    Ok(Pose { position, rotation: rotation(attributes, compiler)? })
}

fn rotation(attributes: &Attributes, compiler: &Compiler) -> Result<DQuat, MjcfError> {
    let given: Vec<&str> = ORIENTATIONS.into_iter().filter(|name| attributes.has(name)).collect();
    let error = |message: &str| Err(attributes.element.error(message));
    match given[..] {
        [] => Ok(DQuat::IDENTITY),
        [name] => {
            let Some(rotation) = notation(name, attributes, compiler)? else {
                return error(&format!("`{name}` has no direction: its vectors must not be zero or parallel"));
            };
            Ok(rotation)
        }
        [first, second, ..] => error(&format!("has both `{first}` and `{second}`, expected one orientation")),
    }
}

fn unit(vector: [f64; 3]) -> Option<DVec3> {
    let vector = DVec3::from(vector);
    (vector.length() > 1e-10).then(|| vector.normalize())
}

fn notation(name: &str, attributes: &Attributes, compiler: &Compiler) -> Result<Option<DQuat>, MjcfError> {
    Ok(match name {
        "quat" => attributes.vector::<4>("quat")?.and_then(|[w, x, y, z]| {
            let quaternion = DQuat::from_xyzw(x, y, z, w);
            (quaternion.length() > 1e-10).then(|| quaternion.normalize())
        }),
        "axisangle" => attributes
            .vector::<4>("axisangle")?
            .and_then(|[x, y, z, angle]| Some(DQuat::from_axis_angle(unit([x, y, z])?, compiler.radians(angle)))),
        "zaxis" => attributes.vector::<3>("zaxis")?.and_then(|direction| Some(from_z(unit(direction)?))),
        "xyaxes" => attributes.vector::<6>("xyaxes")?.and_then(|[a, b, c, d, e, f]| {
            let x = unit([a, b, c])?;
            let y = DVec3::new(d, e, f);
            let y = unit((y - x * x.dot(y)).to_array())?;
            Some(DQuat::from_mat3(&DMat3::from_cols(x, y, x.cross(y))))
        }),
        _ => attributes.vector::<3>("euler")?.map(|angles| compiler.euler(angles)),
    })
}
