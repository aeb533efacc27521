//! The shape of a tile: how many rows a workgroup owns and how its invocations share them.

use serde::Serialize;

use crate::engine::{AdapterKind, AdapterSummary};

/// What the plan must respect and what it should favour.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Target {
    /// Workgroup memory in bytes.
    pub workgroup_bytes: u32,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// One invocation owns whole rows, so that no barrier is needed and weight addresses are uniform: what a driver
    /// that runs workgroups on CPU lanes wants. Otherwise columns are spread over invocations as well.
    pub rows_only: bool,
    /// Keep loops rolled by hiding their bounds from the compiler: a driver that unrolls everything with constant bounds
    /// compiles ten times longer for code that runs no faster.
    pub rolled: bool,
    /// Bytes of parameters that a kernel reads through a uniform binding, which has constant size; a buffer of which it needs
    /// more is a storage binding. Software drivers turn a storage read into branches, lane by lane, and a uniform one into
    /// straight-line code, which compiles and runs faster.
    pub uniform_bytes: u32,
    /// Invocations along rows where one owns whole rows; a tile has four times as many rows.
    pub row_lanes: u32,
    /// Parts into which the sums over a batch are split at most, each summed by itself: enough to fill the device.
    pub slices: u32,
    /// Operations that a dispatch of several steps may count, of one tile and of all of them: about half a second on the
    /// slowest devices, since systems stop what does not end for seconds; more on software, which nobody stops.
    pub tile_operations: f64,
    /// See [`Target::tile_operations`].
    pub dispatch_operations: f64,
}

impl Target {
    /// The design limits that every adapter meets.
    pub const PORTABLE: Target = Target {
        workgroup_bytes: 16 << 10,
        invocations: 256,
        rows_only: false,
        rolled: false,
        uniform_bytes: 0,
        row_lanes: 8,
        slices: 32,
        tile_operations: 2e9,
        dispatch_operations: 2e10,
    };
    /// The software driver: 8 lanes, workgroup memory is ordinary memory.
    pub const SOFTWARE: Target = Target {
        workgroup_bytes: 32 << 10,
        rows_only: true,
        rolled: true,
        uniform_bytes: 64 << 10,
        slices: 2,
        tile_operations: 4e9,
        dispatch_operations: 4e9,
        ..Target::PORTABLE
    };
    /// The CPU engine: tiles of 64 rows whose values stay in its caches, nothing spills. The number of slices does not
    /// depend on the threads, so that sums do not either. Nobody stops a dispatch.
    pub const CPU: Target = Target {
        workgroup_bytes: 16 << 20,
        uniform_bytes: 0,
        row_lanes: 16,
        slices: 8,
        tile_operations: f64::MAX,
        dispatch_operations: f64::MAX,
        ..Target::SOFTWARE
    };

    /// The target for an adapter: hardware memory is used up to 48 KiB, since more would cost occupancy.
    pub fn of(adapter: &AdapterSummary) -> Target {
        let bytes = adapter.limits.workgroup_bytes;
        match adapter.kind {
            AdapterKind::Gpu => {
                // Integrated and virtual ones may be slow.
                let scale = if adapter.device_type == "discrete" { 10.0 } else { 1.0 };
                let dispatch_operations = scale * Target::PORTABLE.dispatch_operations;
                Target { workgroup_bytes: bytes.min(48 << 10), dispatch_operations, ..Target::PORTABLE }
            }
            AdapterKind::Software => Target { workgroup_bytes: bytes.min(32 << 10), ..Target::SOFTWARE },
            AdapterKind::Cpu => Target::CPU,
        }
    }
}

/// Rows and invocations of a workgroup. Every invocation holds 4 rows as one `vec4f`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Shape {
    /// Invocations along rows; a tile has `4 * row_lanes` rows.
    pub row_lanes: u32,
    /// Invocations along features.
    pub col_lanes: u32,
    /// Columns of a dense layer that an invocation accumulates at once.
    pub columns: u32,
    /// Workgroup memory in features of one tile (`4 * row_lanes` floats each).
    pub features: u32,
}

impl Shape {
    /// The shape for a graph whose widest value has `widest` features.
    pub fn choose(target: &Target, widest: usize) -> Shape {
        let widest = widest as u32;
        let (row_lanes, col_lanes, columns) = if target.rows_only {
            (target.row_lanes, 1, 8)
        } else {
            // In-place layers need all columns in registers: 8 columns an invocation, rows fill the rest.
            let wanted = widest.div_ceil(8).next_power_of_two().clamp(1, 64);
            let rows = match widest {
                0..=64 => 16,
                65..=128 => 8,
                _ => 4,
            };
            let col_lanes = wanted.min(target.invocations / rows).max(1);
            (rows, col_lanes, 8)
        };
        let features = target.workgroup_bytes / (row_lanes * 16);
        Shape { row_lanes, col_lanes, columns, features }
    }

    /// Rows of a tile.
    pub fn rows(&self) -> u32 {
        4 * self.row_lanes
    }

    /// Invocations of a workgroup.
    pub fn invocations(&self) -> u32 {
        self.row_lanes * self.col_lanes
    }

    /// Whether one pass over the columns covers a dense layer of this width.
    pub fn single_pass(&self, width: usize) -> bool {
        width as u32 <= self.col_lanes * self.columns
    }
}
