//! Types as rows of 32-bit components, and where those components lie in a buffer.

use naga::{ArraySize, Handle, Module, ScalarKind, Type, TypeInner, VectorSize};

/// What a component is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Float,
    Int,
    Uint,
    Bool,
}

/// The kind of a 32-bit scalar or a bool; `None` for other widths.
pub(super) fn kind(scalar: naga::Scalar) -> Option<Kind> {
    match (scalar.kind, scalar.width) {
        (ScalarKind::Float, 4) => Some(Kind::Float),
        (ScalarKind::Sint, 4) => Some(Kind::Int),
        (ScalarKind::Uint, 4) => Some(Kind::Uint),
        (ScalarKind::Bool, _) => Some(Kind::Bool),
        _ => None,
    }
}

/// Words from one matrix column to the next.
pub(super) fn column_stride(rows: VectorSize) -> u32 {
    if rows == VectorSize::Bi { 2 } else { 4 }
}

/// Elements of an array of fixed size.
pub(super) fn fixed(size: ArraySize) -> Option<u32> {
    match size {
        ArraySize::Constant(count) => Some(count.get()),
        _ => None,
    }
}

/// Number of components of a value; an error names the type that has none.
pub(super) fn components(module: &Module, inner: &TypeInner) -> Result<u32, String> {
    let unsupported = |what: &str| Err(format!("{what} is not supported by the CPU executor"));
    match inner {
        TypeInner::Scalar(scalar) | TypeInner::Vector { scalar, .. } | TypeInner::Matrix { scalar, .. }
            if kind(*scalar).is_none() =>
        {
            let letter = match scalar.kind {
                ScalarKind::Float => 'f',
                ScalarKind::Uint => 'u',
                _ => 'i',
            };
            unsupported(&format!("the type `{letter}{}`", u32::from(scalar.width) * 8))
        }
        TypeInner::Scalar(_) => Ok(1),
        TypeInner::Vector { size, .. } => Ok(*size as u32),
        TypeInner::Matrix { columns, rows, .. } => Ok(*columns as u32 * *rows as u32),
        TypeInner::Array { base, size, .. } => match fixed(*size) {
            Some(count) => Ok(count.saturating_mul(components(module, &module.types[*base].inner)?)),
            None => unsupported("a value of a runtime-sized array"),
        },
        TypeInner::Struct { members, .. } => {
            let mut counts = members.iter().map(|m| components(module, &module.types[m.ty].inner));
            counts.try_fold(0u32, |sum, count| Ok(sum.saturating_add(count?)))
        }
        TypeInner::Atomic(_) => unsupported("an atomic"),
        TypeInner::Image { .. } => unsupported("a texture"),
        TypeInner::Sampler { .. } => unsupported("a sampler"),
        _ => unsupported("this type"),
    }
}

/// The word offset of every component within a value in a buffer.
pub(super) fn words(module: &Module, inner: &TypeInner) -> Vec<u32> {
    let shifted = |ty: Handle<Type>, by: u32| words(module, &module.types[ty].inner).into_iter().map(move |w| w + by);
    match inner {
        TypeInner::Scalar(_) => vec![0],
        TypeInner::Vector { size, .. } => (0..*size as u32).collect(),
        TypeInner::Matrix { columns, rows, .. } => {
            let stride = column_stride(*rows);
            (0..*columns as u32).flat_map(|c| (0..*rows as u32).map(move |r| c * stride + r)).collect()
        }
        TypeInner::Array { base, size, stride } => {
            (0..fixed(*size).unwrap_or(0)).flat_map(|i| shifted(*base, i * stride / 4)).collect()
        }
        TypeInner::Struct { members, .. } => members.iter().flat_map(|m| shifted(m.ty, m.offset / 4)).collect(),
        _ => Vec::new(),
    }
}

/// How a component of a value is written behind the value's name: `.velocity.y`, `[3]`.
pub(super) fn path(module: &Module, inner: &TypeInner, component: u32) -> String {
    let size = |ty: Handle<Type>| components(module, &module.types[ty].inner).unwrap_or(1).max(1);
    match inner {
        TypeInner::Vector { .. } => format!(".{}", ['x', 'y', 'z', 'w'][component as usize % 4]),
        TypeInner::Matrix { rows, .. } => {
            let rows = *rows as u32;
            format!("[{}].{}", component / rows, ['x', 'y', 'z', 'w'][(component % rows) as usize])
        }
        TypeInner::Array { base, .. } => {
            let each = size(*base);
            format!("[{}]{}", component / each, path(module, &module.types[*base].inner, component % each))
        }
        TypeInner::Struct { members, .. } => {
            let mut first = 0;
            for member in members {
                let count = size(member.ty);
                if component < first + count {
                    let name = member.name.as_deref().unwrap_or("?");
                    return format!(".{name}{}", path(module, &module.types[member.ty].inner, component - first));
                }
                first += count;
            }
            String::new()
        }
        _ => String::new(),
    }
}
