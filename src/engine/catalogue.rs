//! What both engines know of their buffers and kernels: enough to refuse a wrong recording before it runs.

use super::reflect::{Binding, BindingKind, Reflection, reflect_module};
use super::{CountedWork, DeviceLimits, EngineError, KernelDesc, KernelId, module};

/// A buffer by its number.
pub(super) struct BufferInfo {
    pub(super) name: String,
    pub(super) bytes: u64,
}

/// A kernel by its number.
pub(super) struct KernelInfo {
    pub(super) name: String,
    /// Name of the compute entry point.
    pub(super) entry_point: String,
    /// Bindings in the order in which dispatches list their buffers.
    pub(super) slots: Vec<Binding>,
    pub(super) workgroup_size: [u32; 3],
    pub(super) immediate_bytes: u32,
    pub(super) work: CountedWork,
}

/// All buffers and kernels of an engine.
#[derive(Default)]
pub(super) struct Catalogue {
    pub(super) buffers: Vec<BufferInfo>,
    pub(super) kernels: Vec<KernelInfo>,
}

impl Catalogue {
    pub(super) fn kernel_name(&self, kernel: KernelId) -> &str {
        self.kernels.get(kernel.0 as usize).map_or("?", |kernel| &kernel.name)
    }
}

impl KernelInfo {
    /// Validates a kernel's text, reflects it, and holds it against the limits.
    pub(super) fn new(desc: &KernelDesc, limits: &DeviceLimits) -> Result<Self, EngineError> {
        let fail = |message: String| EngineError::Kernel { kernel: desc.name.clone(), message };
        let (module, info) = module::validate(&desc.wgsl, &desc.name).map_err(|error| fail(error.0))?;
        let reflection = reflect_module(&module, &info).map_err(|error| fail(error.0))?;
        check_limits(&desc.name, &reflection, limits)?;
        let slots = order_bindings(&desc.bindings, &reflection.bindings).map_err(fail)?;
        Ok(Self {
            name: desc.name.clone(),
            entry_point: reflection.entry_point,
            slots,
            workgroup_size: reflection.workgroup_size,
            immediate_bytes: reflection.immediate_bytes,
            work: desc.work.clone(),
        })
    }
}

/// The module's bindings in the order in which `names` lists them.
fn order_bindings(names: &[String], declared: &[Binding]) -> Result<Vec<Binding>, String> {
    let mut slots: Vec<Binding> = Vec::with_capacity(names.len());
    for name in names {
        if slots.iter().any(|slot| &slot.name == name) {
            return Err(format!("binding `{name}` is listed twice"));
        }
        match declared.iter().find(|binding| &binding.name == name) {
            Some(binding) => slots.push(binding.clone()),
            None => {
                let mut known: Vec<&str> = declared.iter().map(|binding| binding.name.as_str()).collect();
                known.sort_by(|a, b| strsim::jaro_winkler(b, name).total_cmp(&strsim::jaro_winkler(a, name)));
                let known = if known.is_empty() { "none".to_string() } else { known.join(", ") };
                return Err(format!("the module declares no buffer `{name}`; it declares, nearest first: {known}"));
            }
        }
    }
    match declared.iter().find(|binding| !names.contains(&binding.name)) {
        Some(missing) => Err(format!("the module's buffer `{}` is not among the listed bindings", missing.name)),
        None => Ok(slots),
    }
}

fn check_limits(kernel: &str, reflection: &Reflection, limits: &DeviceLimits) -> Result<(), EngineError> {
    let storage = reflection.bindings.iter().filter(|binding| binding.kind == BindingKind::Storage).count();
    let checks = [
        ("bytes of workgroup memory", u64::from(reflection.workgroup_bytes), limits.workgroup_bytes),
        ("invocations per workgroup", reflection.invocations(), limits.invocations),
        ("storage buffers", storage as u64, limits.storage_buffers),
        ("bytes of immediates", u64::from(reflection.immediate_bytes), limits.immediate_bytes),
    ];
    match checks.into_iter().find(|&(_, needed, limit)| needed > u64::from(limit)) {
        Some((what, needed, limit)) => {
            Err(EngineError::KernelLimit { kernel: kernel.into(), what, needed, maximum: u64::from(limit) })
        }
        None => Ok(()),
    }
}
