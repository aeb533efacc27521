//! `flowmill adapters`.

use flowmill::engine::{AdapterSummary, adapters};
use serde_json::json;

use super::Failure;
use super::device::Device;
use super::output::{Output, table};

/// Lists adapters best first and says which one a run would take.
pub fn run(out: &Output) -> Result<(), Failure> {
    let all = adapters();
    // Opening it is what a run does: environment variables and missing features count.
    let chosen = Device::default().open(false).map(|engine| engine.adapter().index)?;
    let mut rows = vec![
        ["", "adapter", "type", "backend", "driver", "workgroup", "invocations", "buffers", "binding", "buffer"]
            .map(String::from)
            .to_vec(),
    ];
    rows.extend(all.iter().map(|adapter| row(adapter, adapter.index == chosen)));
    out.say(table(&rows));
    out.say(format!("chosen: {} (--adapter NAME|INDEX|cpu|software to take another)", chosen));
    out.object(&json!({ "adapters": all, "chosen": chosen }))
}

fn row(adapter: &AdapterSummary, chosen: bool) -> Vec<String> {
    let limits = &adapter.limits;
    let mebibytes = |bytes: u64| format!("{} MiB", bytes >> 20);
    vec![
        format!("{}{}", adapter.index, if chosen { " *" } else { "" }),
        adapter.name.clone(),
        adapter.device_type.clone(),
        adapter.backend.clone(),
        format!("{} {}", adapter.driver, adapter.driver_info).trim().to_string(),
        format!("{} KiB", limits.workgroup_bytes >> 10),
        limits.invocations.to_string(),
        limits.storage_buffers.to_string(),
        mebibytes(limits.storage_binding_bytes),
        mebibytes(limits.buffer_bytes),
    ]
}
