//! A graph that runs step after step in one dispatch, with something in between that makes its next inputs.

/// What follows the graph in every step, as a function of the module that is called for each of the tile's rows.
#[derive(Clone, Copy, Debug)]
pub struct Between<'a> {
    /// Name of the kernel.
    pub name: &'a str,
    /// Declarations that the module begins with; `shaders/lib/rng.wgsl` is among them.
    pub wgsl: &'a str,
    /// The buffers that they declare: bindings 0, 1, ... of group 0.
    pub bindings: &'a [String],
    /// Members of `args`, one a line; `seed_lo`, `seed_hi`, `iteration` and `step`, the number of the first step, are
    /// among them. The kernel's immediates are these, then `rows`, `first_row` (the sample of row 0 in the first step) and
    /// `steps`, then the graph's uniforms. Row r of step t is sample `first_row + t * rows + r`.
    pub members: &'a str,
    /// The function: `(row: u32, t: u32)` with t below `steps`.
    pub call: &'a str,
    /// Loop iterations of a call at most.
    pub iterations: u32,
    /// Operations of a call.
    pub operations: f64,
}

/// How a kernel goes through its rows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form<'a> {
    /// Row r is sample `first_row + r`.
    Once,
    /// Row r is sample `shuffle(first_row + r)`.
    Shuffled,
    /// Many times in one dispatch.
    Steps(&'a Between<'a>),
}
