//! What a WGSL module says about itself, so that no binding number or workgroup size is typed twice.

use naga::proc::{GlobalCtx, Layouter};

use super::module::{self, ModuleError};

/// How a buffer variable is declared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BindingKind {
    /// `var<storage>`.
    Storage,
    /// `var<uniform>`.
    Uniform,
}

/// One buffer variable of a module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// Variable name.
    pub name: String,
    /// `@group`.
    pub group: u32,
    /// `@binding`.
    pub binding: u32,
    /// Whether the module cannot write it.
    pub read_only: bool,
    /// Storage or uniform.
    pub kind: BindingKind,
    /// Smallest buffer that can stand behind it, in bytes (one element of a runtime-sized array).
    pub min_bytes: u64,
}

/// What the engine needs to know of a module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reflection {
    /// Name of the compute entry point.
    pub entry_point: String,
    /// Invocations of a workgroup in x, y, z.
    pub workgroup_size: [u32; 3],
    /// Buffer variables in the order of their declaration.
    pub bindings: Vec<Binding>,
    /// Size of `var<immediate>` in bytes, 0 without one.
    pub immediate_bytes: u32,
    /// Workgroup memory of the entry point in bytes, every variable rounded up to 16.
    pub workgroup_bytes: u32,
}

impl Reflection {
    /// Invocations of one workgroup.
    pub fn invocations(&self) -> u64 {
        self.workgroup_size.iter().map(|&size| u64::from(size)).product()
    }
}

/// Parses and validates a module and lists its bindings, sizes and entry point.
pub fn reflect(wgsl: &str) -> Result<Reflection, ModuleError> {
    let (module, info) = module::validate(wgsl, "wgsl")?;
    reflect_module(&module, &info)
}

pub(super) fn reflect_module(module: &naga::Module, info: &naga::valid::ModuleInfo) -> Result<Reflection, ModuleError> {
    let entry = module::entry_point(module)?;
    if !module.overrides.is_empty() {
        return Err(ModuleError("`override` constants are not supported; print their values into the text".into()));
    }
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).map_err(|error| ModuleError(format!("type layout: {error}")))?;

    let uses = info.get_entry_point(0);
    let (mut bindings, mut immediate_bytes, mut workgroup_bytes) = (Vec::new(), 0, 0);
    for (handle, variable) in module.global_variables.iter() {
        let bytes = layouter[variable.ty].size;
        match variable.space {
            naga::AddressSpace::Immediate => immediate_bytes = bytes,
            naga::AddressSpace::WorkGroup if !uses[handle].is_empty() => {
                workgroup_bytes += bytes.next_multiple_of(16);
            }
            naga::AddressSpace::Storage { access } => {
                let read_only = !access.contains(naga::StorageAccess::STORE);
                bindings.push(binding(module.to_ctx(), variable, BindingKind::Storage, read_only, bytes)?);
            }
            naga::AddressSpace::Uniform => {
                bindings.push(binding(module.to_ctx(), variable, BindingKind::Uniform, true, bytes)?);
            }
            naga::AddressSpace::Handle => {
                let name = variable.name.as_deref().unwrap_or("?");
                return Err(ModuleError(format!("`{name}` is a texture or sampler; only buffers can be bound")));
            }
            _ => {}
        }
    }
    Ok(Reflection {
        entry_point: entry.name.clone(),
        workgroup_size: entry.workgroup_size,
        bindings,
        immediate_bytes,
        workgroup_bytes,
    })
}

fn binding(
    context: GlobalCtx<'_>,
    variable: &naga::GlobalVariable,
    kind: BindingKind,
    read_only: bool,
    bytes: u32,
) -> Result<Binding, ModuleError> {
    let (Some(name), Some(place)) = (&variable.name, &variable.binding) else {
        return Err(ModuleError("a buffer variable has no name or no @group and @binding".into()));
    };
    // The layouter counts a runtime-sized array as one element, which is also what a binding needs at least.
    let min_bytes = u64::from(bytes.max(context.types[variable.ty].inner.size(context)));
    let (group, binding) = (place.group, place.binding);
    Ok(Binding { name: name.clone(), group, binding, read_only, kind, min_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "
        struct Sizes { rows: u32, width: u32, scale: f32 }
        var<immediate> sizes: Sizes;
        @group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        @group(1) @binding(0) var<uniform> table: vec4<f32>;
        var<workgroup> tile: array<f32, 65>;
        var<workgroup> unused: array<f32, 1000>;
        @compute @workgroup_size(8, 4) fn scale(@builtin(local_invocation_index) i: u32) {
            tile[i] = x[i].x * table.x;
            workgroupBarrier();
            y[i] = tile[31u - i] * sizes.scale;
        }";

    #[test]
    fn bindings_sizes_and_entry_point_are_read_from_the_text() {
        let found = reflect(MODULE).unwrap();
        assert_eq!(found.entry_point, "scale");
        assert_eq!(found.workgroup_size, [8, 4, 1]);
        assert_eq!(found.invocations(), 32);
        assert_eq!(found.immediate_bytes, 12);
        assert_eq!(found.workgroup_bytes, 272, "65 floats rounded up to 16 bytes; an unused variable costs nothing");
        let of = |name: &str| found.bindings.iter().find(|b| b.name == name).unwrap().clone();
        let (x, y, table) = (of("x"), of("y"), of("table"));
        assert_eq!((x.group, x.binding, x.read_only, x.kind, x.min_bytes), (0, 3, true, BindingKind::Storage, 16));
        assert_eq!((y.group, y.binding, y.read_only, y.kind, y.min_bytes), (0, 1, false, BindingKind::Storage, 4));
        assert_eq!((table.group, table.binding, table.kind), (1, 0, BindingKind::Uniform));
    }

    #[test]
    fn errors_point_at_the_source_line() {
        let error = reflect("@compute @workgroup_size(1) fn main() {\n    let x = missing + 1;\n}").unwrap_err();
        assert!(error.0.contains("missing") && error.0.contains(":2:"), "{error}");
        let error = reflect("@compute @workgroup_size(1) fn main() { let x: u32 = 1.5; }").unwrap_err();
        assert!(error.0.contains("1.5"), "{error}");
    }

    #[test]
    fn modules_without_one_compute_entry_point_are_refused() {
        assert!(reflect("fn f() {}").unwrap_err().0.contains("found 0"));
        let two = "@compute @workgroup_size(1) fn a() {} @compute @workgroup_size(1) fn b() {}";
        assert!(reflect(two).unwrap_err().0.contains("found 2"));
    }

    #[test]
    fn override_constants_are_refused() {
        let text = "override n: u32 = 4; @compute @workgroup_size(1) fn a() { var x = n; }";
        assert!(reflect(text).unwrap_err().0.contains("override"));
    }
}
