//! The members of an environment's `State` by their names, for whoever reads states on the host.

use std::ops::Range;

use naga::{ArraySize, Handle, Module, Scalar, Type, TypeInner};

use super::catalogue::Environment;
use super::compile::parse;
use super::error::EnvError;
use super::module::declarations;

/// Where in the bytes of a `State` its members of type `f32` lie: numbers, vectors, and arrays of numbers.
#[derive(Clone, Debug, Default)]
pub struct StateFields {
    /// Dotted path, such as `physics.qpos`, and bytes.
    members: Vec<(String, Range<usize>)>,
}

impl StateFields {
    /// Of an environment.
    ///
    /// # Errors
    /// A program that does not parse.
    pub fn of(env: &Environment) -> Result<Self, EnvError> {
        Ok(Self::new(&parse(env, &declarations(env))?))
    }

    /// Of the type that a module calls `State`; without one there are no members.
    fn new(module: &Module) -> Self {
        let mut fields = Self::default();
        if let Some((handle, _)) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("State")) {
            fields.add(module, handle, "", 0);
        }
        fields
    }

    fn add(&mut self, module: &Module, ty: Handle<Type>, path: &str, offset: usize) {
        let scalar_bytes = Scalar::F32.width as usize;
        let count = match &module.types[ty].inner {
            TypeInner::Struct { members, .. } => {
                for member in members {
                    let name = member.name.as_deref().unwrap_or_default();
                    let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
                    self.add(module, member.ty, &path, offset + member.offset as usize);
                }
                return;
            }
            TypeInner::Scalar(Scalar::F32) => 1,
            TypeInner::Vector { size, scalar: Scalar::F32 } => *size as usize,
            TypeInner::Array { base, size: ArraySize::Constant(count), .. }
                if module.types[*base].inner == TypeInner::Scalar(Scalar::F32) =>
            {
                count.get() as usize
            }
            _ => return,
        };
        self.members.push((path.to_string(), offset..offset + count * scalar_bytes));
    }

    /// How many numbers a member has, if the `State` has it.
    pub fn width(&self, path: &str) -> Option<usize> {
        self.bytes(path).map(|range| range.len() / 4)
    }

    /// The numbers of a member in the bytes of a `State`.
    pub fn read(&self, state: &[u8], path: &str) -> Option<Vec<f32>> {
        state.get(self.bytes(path)?).map(bytemuck::pod_collect_to_vec)
    }

    fn bytes(&self, path: &str) -> Option<Range<usize>> {
        self.members.iter().find(|(name, _)| name == path).map(|(_, range)| range.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_behind_padding_and_inside_other_structs() {
        let text = "struct Inner { a: f32, q: array<f32, 3> }
            struct State { flag: u32, goal: vec2f, inner: Inner, up: vec3f }";
        let fields = StateFields::new(&naga::front::wgsl::parse_str(text).unwrap());
        // WGSL: flag at 0, goal aligned to 8, inner (4 + 12 bytes) at 16, up aligned to 16.
        let words: Vec<f32> = (0..12).map(|word| word as f32).collect();
        let state: &[u8] = bytemuck::cast_slice(&words);
        assert_eq!(fields.read(state, "goal").unwrap(), [2.0, 3.0]);
        assert_eq!(fields.read(state, "inner.a").unwrap(), [4.0]);
        assert_eq!(fields.read(state, "inner.q").unwrap(), [5.0, 6.0, 7.0]);
        assert_eq!(fields.read(state, "up").unwrap(), [8.0, 9.0, 10.0]);
        assert_eq!((fields.width("inner.q"), fields.width("flag")), (Some(3), None));
        assert_eq!(fields.read(&state[..40], "up"), None, "a state that is too short");
    }
}
