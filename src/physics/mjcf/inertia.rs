//! Mass and inertia of bodies: as given, or from their geoms.

use glam::{DMat3, DQuat, DVec3};

use super::MjcfError;
use super::attributes::Attributes;
use super::bodies::Draft;
use super::frame::{self, Pose};
use super::geoms::GeomDraft;
use super::settings::{Compiler, FromGeoms};
use crate::physics::model::Frame;

/// What has less mass or inertia counts as having none.
const SMALLEST: f64 = 1e-15;

/// Where the search for principal axes ends. MuJoCo's end, so that what is left off the diagonal is the same.
const SMALLEST_TURN: f64 = 1e-12;

/// A body's mass and its principal axes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inertial {
    pub frame: Frame,
    pub mass: f64,
    pub moments: DVec3,
}

const NOTHING: Inertial =
    Inertial { frame: Frame { position: DVec3::ZERO, rotation: DQuat::IDENTITY }, mass: 0.0, moments: DVec3::ZERO };

/// Reads an `inertial` element.
pub(super) fn read(at: &Attributes, compiler: &Compiler) -> Result<Inertial, MjcfError> {
    at.required("pos")?;
    at.required("mass")?;
    let mass = at.magnitude("mass", 0.0)?;
    let Pose { position, mut rotation } = frame::pose(at, compiler)?;
    let moments = match (at.vector::<3>("diaginertia")?, at.vector::<6>("fullinertia")?) {
        (Some(moments), None) => DVec3::from(moments),
        (None, Some([xx, yy, zz, xy, xz, yz])) => {
            if rotation != DQuat::IDENTITY {
                return Err(at.element.error("has both `fullinertia` and an orientation"));
            }
            let matrix = DMat3::from_cols_array(&[xx, xy, xz, xy, yy, yz, xz, yz, zz]);
            let (moments, axes) = principal(matrix);
            rotation = axes;
            moments
        }
        _ => return Err(at.element.error("expected one of `diaginertia` and `fullinertia`")),
    };
    Ok(Inertial { frame: Frame { position, rotation }, mass, moments })
}

/// A body's inertia after all rules of the compiler but `settotalmass`.
pub(super) fn of_body(draft: &Draft, compiler: &Compiler) -> Result<Inertial, MjcfError> {
    let use_geoms = match compiler.from_geoms {
        FromGeoms::Always => true,
        FromGeoms::Auto => draft.inertial.is_none(),
        FromGeoms::Never => false,
    };
    let given = draft.inertial.unwrap_or(NOTHING);
    let mut inertial = if use_geoms { from_geoms(&draft.geoms, compiler).unwrap_or(given) } else { given };
    inertial.mass = inertial.mass.max(compiler.bound_mass);
    inertial.moments = inertial.moments.max(DVec3::splat(compiler.bound_inertia));
    let [a, b, c] = inertial.moments.to_array();
    if a < 0.0 || b < 0.0 || c < 0.0 {
        return Err(draft.element.error(format!("moments of inertia are {a} {b} {c}, expected 0 or more")));
    }
    // Moments of any real body obey this; the slack is for rounding of moments that just do.
    let slack = 1e-10 * (a + b + c);
    if a + b < c - slack || a + c < b - slack || b + c < a - slack {
        if !compiler.balance_inertia {
            let message = format!("moments of inertia are {a} {b} {c}: the sum of any two must be at least the third");
            return Err(draft.element.error(message));
        }
        inertial.moments = DVec3::splat((a + b + c) / 3.0);
    }
    Ok(inertial)
}

/// The inertia of the geoms that count, `None` when there is none.
fn from_geoms(geoms: &[GeomDraft], compiler: &Compiler) -> Option<Inertial> {
    let [low, high] = compiler.inertia_groups;
    let counted: Vec<&GeomDraft> =
        geoms.iter().filter(|geom| (low..=high).contains(&geom.group) && geom.mass > SMALLEST).collect();
    match counted[..] {
        [] => None,
        [only] => Some(Inertial { frame: only.geom.frame, mass: only.mass, moments: only.moments }),
        _ => {
            let mass: f64 = counted.iter().map(|geom| geom.mass).sum();
            let centre = counted.iter().map(|geom| geom.mass * geom.geom.frame.position).sum::<DVec3>() / mass;
            let total = counted.iter().fold(DMat3::ZERO, |sum, geom| {
                let axes = DMat3::from_quat(geom.geom.frame.rotation);
                let d = geom.geom.frame.position - centre;
                let outer = DMat3::from_cols(d * d.x, d * d.y, d * d.z);
                let shift = (DMat3::from_diagonal(DVec3::splat(d.length_squared())) - outer) * geom.mass;
                sum + axes * DMat3::from_diagonal(geom.moments) * axes.transpose() + shift
            });
            let (moments, rotation) = principal(total);
            Some(Inertial { frame: Frame { position: centre, rotation }, mass, moments })
        }
    }
}

/// Principal moments, largest first, and the rotation of their axes: Jacobi's method, the rotation kept as a quaternion.
fn principal(matrix: DMat3) -> (DVec3, DQuat) {
    let mut rotation = DQuat::IDENTITY;
    let turned = |rotation: DQuat| {
        let axes = DMat3::from_quat(rotation);
        axes.transpose() * matrix * axes
    };
    for _ in 0..100 {
        let d = turned(rotation);
        let off = [d.y_axis.z, d.x_axis.z, d.x_axis.y]; // by the axis to turn about
        let turn = (0..3).fold(0, |best, axis| if off[axis].abs() > off[best].abs() { axis } else { best });
        if off[turn].abs() < SMALLEST_TURN {
            break;
        }
        let (row, column) = ((turn + 1) % 3, (turn + 2) % 3);
        let angle = 0.5 * (2.0 * off[turn]).atan2(d.col(row)[row] - d.col(column)[column]);
        // The smaller of the two turns that make the pair diagonal keeps the axes near their own.
        let quarter = std::f64::consts::FRAC_PI_2;
        let angle = if angle > quarter / 2.0 {
            angle - quarter
        } else if angle < -quarter / 2.0 {
            angle + quarter
        } else {
            angle
        };
        if 1.0 - angle.cos() < SMALLEST_TURN {
            break;
        }
        rotation = (rotation * DQuat::from_axis_angle(DVec3::AXES[turn], angle)).normalize();
    }
    let moments = |rotation| {
        let d = turned(rotation);
        DVec3::new(d.x_axis.x, d.y_axis.y, d.z_axis.z)
    };
    for first in [0, 1, 0] {
        let value = moments(rotation);
        if value[first] + SMALLEST_TURN < value[first + 1] {
            let about = DVec3::AXES[(first + 2) % 3];
            rotation = (rotation * DQuat::from_axis_angle(about, std::f64::consts::FRAC_PI_2)).normalize();
        }
    }
    (moments(rotation), rotation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principal_axes_give_the_matrix_back_as_far_as_the_search_goes_and_moments_fall() {
        let axes = DMat3::from_quat(DQuat::from_xyzw(0.3, -0.5, 0.2, 0.7).normalize());
        for moments in
            [DVec3::new(1.0, 3.0, 2.5), DVec3::new(2.0, 2.0, 1.0), DVec3::splat(0.5), DVec3::new(1e-7, 3e-7, 3e-7)]
        {
            let matrix = axes * DMat3::from_diagonal(moments) * axes.transpose();
            let (found, rotation) = principal(matrix);
            let turned = DMat3::from_quat(rotation);
            let back = turned * DMat3::from_diagonal(found) * turned.transpose();
            let scale = moments.max_element();
            assert!((back - matrix).abs_diff_eq(DMat3::ZERO, 1e-8 * scale + 2e-12), "{back} {matrix}");
            assert!(found.x >= found.y - 1e-12 && found.y >= found.z - 1e-12, "{found}");
        }
    }
}
