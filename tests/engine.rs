//! What both engines promise: order, bytes, counts, and the words of their errors.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use flowmill::engine::{
    AdapterKind, BufferId, Call, CountedWork, Counters, Engine, EngineError, EngineOptions, HostKernel, KernelDesc,
    KernelId, Recording, Ticket, Timing, Twin, adapters,
};
use flowmill::simd::Isa;

mod common;

use common::device::{On, on_both_engines};

on_both_engines!(
    bytes_survive_upload_dispatch_and_readback,
    new_buffers_are_zero_and_clear_and_copy_touch_only_their_range,
    uploads_and_dispatches_of_one_recording_keep_their_order,
    dependent_dispatches_see_one_another_in_bounded_submissions,
    a_ticket_is_handed_out_once_and_unknown_ones_are_named,
    kernels_are_compiled_once_per_name_and_text,
    broken_kernels_are_refused_by_name_with_the_reason,
    wrong_buffer_sizes_are_refused_before_allocation,
    wrong_commands_are_refused_and_nothing_of_their_recording_runs,
    checked_and_unchecked_modules_give_equal_bytes,
    a_profile_counts_every_dispatch_under_its_kernel_and_scope,
    a_profile_that_is_switched_off_changes_nothing_and_sees_nothing,
    spans_of_host_and_device_are_on_one_clock;
    gpu: every_way_of_timing_names_the_same_dispatches_and_none_takes_no_time,
    take_does_not_wait_for_a_busy_device,
    one_ticket_can_be_waited_for_while_later_work_goes_on,
    loops_run_to_their_end_or_to_the_limit_that_the_adapter_states;
    cpu: a_recording_is_done_when_submit_returns,
    a_kernel_without_a_twin_is_refused_in_one_line,
    a_twin_that_panics_ends_the_engine_with_the_kernels_name,
);

/// y = a x + b, one row an invocation.
const AFFINE: &str = "
struct Affine { rows: u32, a: f32, b: f32 }
var<immediate> affine: Affine;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < affine.rows) {
        y[id.x] = affine.a * x[id.x] + affine.b;
    }
}";

/// Sums each workgroup's 64 values in a fixed order through workgroup memory.
const SUM: &str = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
var<workgroup> tile: array<f32, 64>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    tile[lane] = x[group.x * 64u + lane];
    workgroupBarrier();
    for (var stride = 32u; stride > 0u; stride /= 2u) {
        if (lane < stride) { tile[lane] += tile[lane + stride]; }
        workgroupBarrier();
    }
    if (lane == 0u) { sums[group.x] = tile[0]; }
}";

/// Keeps the device busy long enough for the host to look before it is done: SLOW_STEPS of a generator.
fn slow() -> KernelDesc {
    // Mesa's software driver silently ends loops when an invocation has made 65535 iterations in all.
    let step = "state = state * 747796405u + 2891336453u; ";
    let wgsl = format!(
        "@group(0) @binding(0) var<storage, read_write> y: array<u32>;
        @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
            var state = id.x;
            for (var i = 0u; i < {}u; i++) {{ {} }}
            y[id.x] = state;
        }}",
        SLOW_STEPS / 16,
        step.repeat(16)
    );
    kernel("slow", &wgsl, &["y"])
}

const SLOW_STEPS: u32 = 16 * 60_000;

/// What the CPU engine runs in place of the texts above.
#[derive(Clone, Copy, Debug)]
struct Plain {
    /// Invocations of a workgroup, all in x.
    lanes: u32,
    /// One invocation, or one workgroup where `lanes` is 1.
    run: fn(&Call<'_>, usize),
}

impl Twin for Plain {
    fn prepare(&self, _: Isa, _: usize) -> Result<Box<dyn HostKernel>, String> {
        Ok(Box::new(*self))
    }
}

impl HostKernel for Plain {
    fn tasks(&self, call: &Call<'_>) -> usize {
        call.groups.iter().map(|&groups| groups as usize).product()
    }

    fn run(&self, call: &Call<'_>, task: usize, _: usize) {
        (0..self.lanes as usize).for_each(|lane| (self.run)(call, task * self.lanes as usize + lane));
    }
}

fn affine_row(call: &Call<'_>, row: usize) {
    let word = |at: usize| u32::from_le_bytes(call.immediates[4 * at..][..4].try_into().unwrap());
    if row < word(0) as usize {
        let [x, y] = call.buffers else { panic!("two buffers") };
        y.set_f32(row, f32::from_bits(word(1)) * x.f32(row) + f32::from_bits(word(2)));
    }
}

fn sum_group(call: &Call<'_>, group: usize) {
    let mut tile: [f32; 64] = std::array::from_fn(|lane| call.buffers[0].f32(64 * group + lane));
    for stride in [32, 16, 8, 4, 2, 1] {
        (0..stride).for_each(|lane| tile[lane] += tile[lane + stride]);
    }
    call.buffers[1].set_f32(group, tile[0]);
}

fn slow_row(call: &Call<'_>, row: usize) {
    let state = (0..SLOW_STEPS / 256).fold(row as u32, |state, _| step(state));
    call.buffers[0].set(row, state);
}

fn step(state: u32) -> u32 {
    state.wrapping_mul(747796405).wrapping_add(2891336453)
}

fn kernel(name: &str, wgsl: &str, bindings: &[&str]) -> KernelDesc {
    let twin = match name {
        "affine" => Some(Plain { lanes: 64, run: affine_row }),
        "slow" => Some(Plain { lanes: 64, run: slow_row }),
        "without" => None,
        _ => Some(Plain { lanes: 1, run: sum_group }),
    };
    KernelDesc {
        name: name.into(),
        wgsl: wgsl.into(),
        bindings: bindings.iter().map(|name| name.to_string()).collect(),
        work: CountedWork::default(),
        twin: twin.map(|twin| Arc::new(twin) as Arc<dyn Twin>),
    }
}

/// The engine of its kind that all tests of this process share.
fn engine(on: On) -> MutexGuard<'static, Engine> {
    static GPU: OnceLock<Mutex<Engine>> = OnceLock::new();
    static CPU: OnceLock<Mutex<Engine>> = OnceLock::new();
    let options = EngineOptions { checked: true, dispatches_per_submit: Some(64), ..on.options() };
    let shared = if on == On::Gpu { &GPU } else { &CPU };
    let engine = shared.get_or_init(|| Mutex::new(Engine::new(&options).unwrap()));
    engine.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A GPU groups dispatches into passes; the CPU engine has none.
fn passes(on: On, passes: u64) -> u64 {
    if on == On::Gpu { passes } else { 0 }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned).collect()
}

fn affine(rows: u32, a: f32, b: f32) -> Vec<u8> {
    [rows.to_le_bytes(), a.to_le_bytes(), b.to_le_bytes()].concat()
}

fn affine_setup(engine: &mut Engine, rows: u64) -> (KernelId, BufferId, BufferId) {
    let kernel = engine.kernel(&kernel("affine", AFFINE, &["x", "y"])).unwrap();
    (kernel, engine.buffer("x", rows * 4).unwrap(), engine.buffer("y", rows * 4).unwrap())
}

fn bytes_survive_upload_dispatch_and_readback(on: On) {
    let mut engine = engine(on);
    let (affine_kernel, x, y) = affine_setup(&mut engine, 1000);
    let input: Vec<f32> = (0..1000).map(|i| i as f32 * 0.5).collect();
    let before = engine.counters();
    let mut recording = Recording::new();
    recording.upload(x, 0, bytemuck::cast_slice(&input));
    recording.scope("scale", |r| r.dispatch(affine_kernel, &[x, y], &affine(1000, 2.0, 1.0), [16, 1, 1]));
    recording.readback(y, 4 * 10, 4 * 20, Ticket(1));
    engine.submit(&recording).unwrap();
    engine.wait().unwrap();
    let part = floats(&engine.take(Ticket(1)).expect("the readback has arrived after a wait"));
    let expected: Vec<f32> = input[10..30].iter().map(|x| 2.0 * x + 1.0).collect();
    assert_eq!(part, expected);
    assert_eq!(engine.take(Ticket(1)), None, "a result is handed out once");
    assert_eq!(
        engine.counters() - before,
        Counters { dispatches: 1, submits: 1, waits: 1, readbacks: 1, bytes_read: 4 * 20, passes: passes(on, 1) },
        "one upload, one dispatch and one readback go out together"
    );
    assert_eq!(engine.workgroup_size(affine_kernel), [64, 1, 1]);
    assert!(engine.compile_seconds() > 0.0);
}

fn new_buffers_are_zero_and_clear_and_copy_touch_only_their_range(on: On) {
    let mut engine = engine(on);
    let (a, b) = (engine.buffer("a", 64).unwrap(), engine.buffer("b", 64).unwrap());
    assert_eq!(engine.read(a, 0, 64).unwrap(), vec![0; 64]);
    let mut recording = Recording::new();
    recording.upload(a, 0, &[7; 64]);
    recording.copy((a, 8), (b, 16), 12);
    recording.clear(a, 4, 8);
    engine.submit(&recording).unwrap();
    let (a, b) = (engine.read(a, 0, 64).unwrap(), engine.read(b, 0, 64).unwrap());
    assert_eq!((&a[..4], &a[4..12], &a[12..]), (&[7; 4][..], &[0; 8][..], &[7; 52][..]));
    assert_eq!((&b[..16], &b[16..28], &b[28..]), (&[0; 16][..], &[7; 12][..], &[0; 36][..]));
}

fn uploads_and_dispatches_of_one_recording_keep_their_order(on: On) {
    let mut engine = engine(on);
    let (affine_kernel, x, y) = affine_setup(&mut engine, 64);
    let z = engine.buffer("z", 256).unwrap();
    let mut recording = Recording::new();
    recording.upload(x, 0, bytemuck::cast_slice(&[1.0f32; 64]));
    recording.dispatch(affine_kernel, &[x, y], &affine(64, 10.0, 0.0), [1, 1, 1]);
    recording.upload(x, 0, bytemuck::cast_slice(&[2.0f32; 64]));
    recording.dispatch(affine_kernel, &[x, z], &affine(64, 10.0, 0.0), [1, 1, 1]);
    recording.upload(x, 0, bytemuck::cast_slice(&[3.0f32; 64]));
    let before = engine.counters();
    engine.submit(&recording).unwrap();
    assert_eq!(floats(&engine.read(y, 0, 256).unwrap()), vec![10.0; 64], "the first dispatch saw the first upload");
    assert_eq!(floats(&engine.read(z, 0, 256).unwrap()), vec![20.0; 64], "the second dispatch saw the second");
    assert_eq!(floats(&engine.read(x, 0, 256).unwrap()), vec![3.0; 64]);
    assert_eq!((engine.counters() - before).dispatches, 2);
}

fn dependent_dispatches_see_one_another_in_bounded_submissions(on: On) {
    let mut engine = engine(on);
    let (affine_kernel, x, y) = affine_setup(&mut engine, 64);
    let mut recording = Recording::new();
    recording.scope("chain", |r| {
        for _ in 0..75 {
            r.dispatch(affine_kernel, &[x, y], &affine(64, 1.0, 1.0), [1, 1, 1]);
            r.dispatch(affine_kernel, &[y, x], &affine(64, 1.0, 1.0), [1, 1, 1]);
        }
        r.dispatch(affine_kernel, &[x, y], &affine(64, 0.0, 0.0), [0, 1, 1]);
    });
    assert_eq!(recording.dispatches(), 150);
    let before = engine.counters();
    engine.submit(&recording).unwrap();
    let done = engine.counters() - before;
    // 150 dispatches at 64 a submission, a pass each; nothing watches the CPU engine, which takes them at once.
    let submits = if on == On::Gpu { 3 } else { 1 };
    assert_eq!((done.dispatches, done.passes, done.submits), (150, passes(on, 3), submits));
    assert_eq!((done.waits, done.readbacks), (0, 0));
    assert_eq!(floats(&engine.read(x, 0, 256).unwrap()), vec![150.0; 64], "every dispatch saw the one before it");
}

fn take_does_not_wait_for_a_busy_device(on: On) {
    let mut engine = engine(on);
    let slow = engine.kernel(&slow()).unwrap();
    let y = engine.buffer("y", 4 * 64 * 64).unwrap();
    let before = engine.counters();
    let mut recording = Recording::new();
    for _ in 0..4 {
        recording.dispatch(slow, &[y], &[], [64, 1, 1]);
    }
    recording.readback(y, 0, 4, Ticket(2));
    engine.submit(&recording).unwrap();
    assert_eq!(engine.take(Ticket(2)), None);
    engine.poll().unwrap();
    assert_eq!(engine.take(Ticket(2)), None, "4 x 4096 x SLOW_STEPS steps cannot be done yet");
    assert_eq!((engine.counters() - before).waits, 0);
    let expected = (0..SLOW_STEPS).fold(0u32, |s, _| s.wrapping_mul(747796405).wrapping_add(2891336453));
    assert_eq!(engine.wait_for(Ticket(2)).unwrap(), expected.to_le_bytes());
    assert_eq!((engine.counters() - before).waits, 1);
}

fn one_ticket_can_be_waited_for_while_later_work_goes_on(on: On) {
    let mut engine = engine(on);
    let (affine_kernel, x, y) = affine_setup(&mut engine, 64);
    let slow = engine.kernel(&slow()).unwrap();
    let busy = engine.buffer("busy", 4 * 64 * 64).unwrap();
    let mut recording = Recording::new();
    recording.dispatch(affine_kernel, &[x, y], &affine(64, 0.0, 5.0), [1, 1, 1]);
    recording.readback(y, 0, 8, Ticket(3));
    engine.submit(&recording).unwrap();
    let mut later = Recording::new();
    for _ in 0..4 {
        later.dispatch(slow, &[busy], &[], [64, 1, 1]);
    }
    later.readback(busy, 0, 4, Ticket(4));
    engine.submit(&later).unwrap();
    assert_eq!(floats(&engine.wait_for(Ticket(3)).unwrap()), [5.0, 5.0]);
    assert_eq!(engine.take(Ticket(4)), None, "the later work is still going on");
    engine.wait().unwrap();
    assert!(engine.take(Ticket(4)).is_some());
}

fn a_ticket_is_handed_out_once_and_unknown_ones_are_named(on: On) {
    let mut engine = engine(on);
    let buffer = engine.buffer("buffer", 8).unwrap();
    let mut recording = Recording::new();
    recording.upload(buffer, 0, &[7; 8]);
    recording.readback(buffer, 4, 4, Ticket(6));
    engine.submit(&recording).unwrap();
    let error = engine.submit(&recording).unwrap_err().to_string();
    assert!(error.contains("ticket 6 is in use"), "{error}");
    assert_eq!(engine.wait_for(Ticket(6)).unwrap(), [7; 4]);
    for ticket in [Ticket(6), Ticket(99)] {
        let error = engine.wait_for(ticket).unwrap_err().to_string();
        assert!(error.contains(&format!("ticket {}", ticket.0)), "{error}");
    }
}

fn a_recording_is_done_when_submit_returns(on: On) {
    let mut engine = engine(on);
    let slow = engine.kernel(&slow()).unwrap();
    let y = engine.buffer("y", 4 * 64 * 64).unwrap();
    let before = engine.counters();
    let mut recording = Recording::new();
    recording.dispatch(slow, &[y], &[], [64, 1, 1]);
    recording.readback(y, 4 * 4095, 4, Ticket(7));
    engine.submit(&recording).unwrap();
    let expected = (0..SLOW_STEPS / 256).fold(4095, |state, _| step(state));
    assert_eq!(engine.take(Ticket(7)), Some(expected.to_le_bytes().to_vec()));
    assert_eq!((engine.counters() - before).waits, 0);
}

fn a_kernel_without_a_twin_is_refused_in_one_line(on: On) {
    let mut engine = engine(on);
    let error = engine.kernel(&kernel("without", AFFINE, &["x", "y"])).unwrap_err().to_string();
    assert_eq!(error, "kernel `without`: it has no twin that the CPU engine could run");
    assert!(engine.kernel(&kernel("affine", AFFINE, &["x", "y"])).is_ok(), "the engine goes on");
}

fn a_twin_that_panics_ends_the_engine_with_the_kernels_name(on: On) {
    let mut engine = on.engine();
    let broken = Plain { lanes: 1, run: |_, group| assert!(group != 5, "on purpose") };
    let desc = KernelDesc { twin: Some(Arc::new(broken)), ..kernel("broken", AFFINE, &["x", "y"]) };
    let broken = engine.kernel(&desc).unwrap();
    let (x, y) = (engine.buffer("x", 256).unwrap(), engine.buffer("y", 256).unwrap());
    let mut recording = Recording::new();
    recording.dispatch(broken, &[x, y], &affine(64, 1.0, 0.0), [9, 1, 1]);
    let first = engine.submit(&recording).unwrap_err().to_string();
    assert!(first.contains("kernel `broken` panicked"), "{first}");
    assert_eq!(engine.submit(&Recording::new()).unwrap_err().to_string(), first, "it is not used any more");
    assert!(engine.wait().is_err() && engine.poll().is_err());
}

fn kernels_are_compiled_once_per_name_and_text(on: On) {
    let mut engine = engine(on);
    let first = engine.kernel(&kernel("once", SUM, &["x", "sums"])).unwrap();
    assert_eq!(engine.kernel(&kernel("once", SUM, &["x", "sums"])).unwrap(), first);
    assert_ne!(engine.kernel(&kernel("once", SUM, &["sums", "x"])).unwrap(), first, "another order of buffers");
    assert_ne!(engine.kernel(&kernel("twice", SUM, &["x", "sums"])).unwrap(), first);
}

fn broken_kernels_are_refused_by_name_with_the_reason(on: On) {
    let mut engine = engine(on);
    let mut refused = |wgsl: &str, bindings: &[&str]| {
        let error = engine.kernel(&kernel("broken", wgsl, bindings)).unwrap_err().to_string();
        assert!(error.contains("kernel `broken`"), "{error}");
        error
    };
    let error = refused(&AFFINE.replace("+ affine.b", "+ afine.b"), &["x", "y"]);
    assert!(error.contains("afine") && error.contains(":8:"), "naga points at line 8: {error}");
    let error = refused(AFFINE, &["x", "yy"]);
    assert!(error.contains("no buffer `yy`") && error.contains("nearest first: y"), "{error}");
    let error = refused(AFFINE, &["x"]);
    assert!(error.contains("`y` is not among the listed bindings"), "{error}");
    let error = refused(AFFINE, &["x", "x"]);
    assert!(error.contains("`x` is listed twice"), "{error}");
    let error = refused(&AFFINE.replace("size(64)", "size(4096, 4096)"), &["x", "y"]);
    assert!(error.contains("16777216 invocations"), "{error}");
    let error = refused(&SUM.replace("array<f32, 64>", "array<f32, 6400000>"), &["x", "sums"]);
    assert!(error.contains("25600000 bytes of workgroup memory"), "{error}");
}

fn wrong_buffer_sizes_are_refused_before_allocation(on: On) {
    let mut engine = engine(on);
    let (limit, allocated) = (engine.limits().clone(), engine.allocated_bytes());
    let error = engine.buffer("rollout", limit.storage_binding_bytes / 4 * 4 + 4).unwrap_err().to_string();
    for part in ["`rollout`", "max_storage_buffer_binding_size", &limit.storage_binding_bytes.to_string()] {
        assert!(error.contains(part), "{error}");
    }
    for bytes in [0, 6] {
        let error = engine.buffer("odd", bytes).unwrap_err().to_string();
        assert!(error.contains("`odd`") && error.contains("multiple of 4"), "{error}");
    }
    assert_eq!(engine.allocated_bytes(), allocated);
}

fn wrong_commands_are_refused_and_nothing_of_their_recording_runs(on: On) {
    let mut engine = engine(on);
    let (affine_kernel, x, y) = affine_setup(&mut engine, 64);
    let small = engine.buffer("small", 8).unwrap();
    let limit = engine.limits().workgroups_per_dimension;
    let before = engine.counters();
    let mut refused = |record: &dyn Fn(&mut Recording), parts: &[&str]| {
        let mut recording = Recording::new();
        recording.upload(small, 0, &[1; 8]);
        record(&mut recording);
        let error = engine.submit(&recording).unwrap_err();
        assert!(matches!(error, EngineError::Recording { index: 1.., .. }), "{error:?}");
        for part in parts {
            assert!(error.to_string().contains(part), "`{part}` is missing from: {error}");
        }
    };
    let right = affine(64, 1.0, 0.0);
    refused(&|r| r.dispatch(affine_kernel, &[x, y], &right[..8], [1, 1, 1]), &["`affine`", "12 bytes", "got 8"]);
    refused(&|r| r.dispatch(affine_kernel, &[x], &right, [1, 1, 1]), &["2 buffers (x, y)", "got 1"]);
    refused(&|r| r.dispatch(affine_kernel, &[x, x], &right, [1, 1, 1]), &["both read-only and writable", "`x`"]);
    if let Some(more) = limit.checked_add(1) {
        refused(&|r| r.dispatch(affine_kernel, &[x, y], &right, [1, more, 1]), &["`affine`", "in y", "limit is"]);
    }
    refused(&|r| r.dispatch(KernelId(9999), &[], &[], [1, 1, 1]), &["9999"]);
    refused(&|r| r.dispatch(affine_kernel, &[x, BufferId(9999)], &right, [1, 1, 1]), &["9999"]);
    refused(&|r| r.upload(small, 4, &[0; 8]), &["`small`", "8 bytes at offset 4"]);
    refused(&|r| r.upload(small, 0, &[0; 3]), &["multiples of 4"]);
    refused(&|r| r.clear(small, u64::MAX - 3, 8), &["`small`"]);
    refused(&|r| r.copy((small, 0), (small, 4), 4), &["one"]);
    refused(&|r| (0..2).for_each(|_| r.readback(small, 0, 4, Ticket(5))), &["ticket 5 is in use"]);
    refused(&|r| r.end_scope(), &["no scope is open"]);
    assert_eq!(engine.counters(), before);
    assert_eq!(engine.read(small, 0, 8).unwrap(), vec![0; 8], "the valid upload before it did not run either");
    assert!(engine.read(small, 8, 4).unwrap_err().to_string().contains("`small`"));
}

fn checked_and_unchecked_modules_give_equal_bytes(on: On) {
    let mut results = Vec::new();
    for checked in [true, false] {
        let mut engine = if checked { on.engine() } else { on.unchecked_engine() };
        let (affine_kernel, x, y) = affine_setup(&mut engine, 64 * 9);
        let sum = engine.kernel(&kernel("sum", SUM, &["x", "sums"])).unwrap();
        let sums = engine.buffer("sums", 4 * 9).unwrap();
        let input: Vec<f32> = (0..64 * 9).map(|i| (i as f32 * 0.37).sin()).collect();
        let mut recording = Recording::new();
        recording.upload(x, 0, bytemuck::cast_slice(&input));
        recording.dispatch(affine_kernel, &[x, y], &affine(64 * 9, 1.7, -0.3), [9, 1, 1]);
        recording.dispatch(sum, &[y, sums], &[], [9, 1, 1]);
        engine.submit(&recording).unwrap();
        let bytes = engine.read(sums, 0, 4 * 9).unwrap();
        for (row, sum) in floats(&bytes).into_iter().enumerate() {
            let expected: f64 = input[64 * row..][..64].iter().map(|&x| 1.7 * f64::from(x) - 0.3).sum();
            assert!((f64::from(sum) - expected).abs() < 1e-3, "row {row}: {sum} against {expected}");
        }
        results.push(bytes);
    }
    assert_eq!(results[0], results[1]);
}

fn a_profile_counts_every_dispatch_under_its_kernel_and_scope(on: On) {
    let options = EngineOptions { profile: true, dispatches_per_submit: Some(8), ..on.options() };
    let mut engine = Engine::new(&options).unwrap();
    let (affine_kernel, x, y) = affine_setup(&mut engine, 64);
    let slow = engine.kernel(&slow()).unwrap();
    let mut recording = Recording::new();
    recording.scope("update", |r| {
        (0..20).for_each(|_| r.dispatch(affine_kernel, &[x, y], &affine(64, 1.0, 0.0), [1, 1, 1]));
        r.scope("inner", |r| r.dispatch(slow, &[y], &[], [1, 1, 1]));
    });
    recording.dispatch(affine_kernel, &[x, y], &affine(64, 1.0, 0.0), [1, 1, 1]);
    engine.submit(&recording).unwrap();
    engine.wait().unwrap();
    let profile = engine.profile();
    let counts: Vec<_> =
        profile.iter().map(|t| (t.name.as_str(), t.scope.as_str(), t.dispatches + t.unavailable)).collect();
    assert_eq!(counts, [("affine", "", 1), ("affine", "update", 20), ("slow", "update/inner", 1)]);
    // Three submissions of at most eight dispatches, a pass each where timestamps stand inside.
    let expected = if engine.timing() == Some(Timing::InsidePasses) { 3 } else { 22 };
    assert_eq!(engine.counters().passes, passes(on, expected), "no more passes than the timing needs");
    assert!(on == On::Gpu || profile.iter().all(|t| t.unavailable == 0 && t.seconds > 0.0), "{profile:?}");
    assert_eq!(engine.counters().readbacks, 0, "timestamps are not counted as readbacks of the recording");
    // Other processes may stop a dispatch for longer than the slow one takes, but not every time.
    let slower = (0..10).any(|_| {
        engine.submit(&recording).unwrap();
        engine.wait().unwrap();
        match engine.profile().as_slice() {
            [_, affine, slow] => affine.unavailable + slow.unavailable > 0 || slow.seconds > affine.seconds / 20.0,
            _ => false,
        }
    });
    assert!(slower, "the slow kernel takes no longer than the other");
}

/// Twenty short dispatches in a scope, a long one in a scope of that, and a short one outside.
fn scoped(engine: &mut Engine) -> Recording {
    let (affine_kernel, x, y) = affine_setup(engine, 64);
    let slow = engine.kernel(&slow()).unwrap();
    let mut recording = Recording::new();
    recording.scope("update", |r| {
        (0..20).for_each(|_| r.dispatch(affine_kernel, &[x, y], &affine(64, 1.0, 0.0), [1, 1, 1]));
        r.scope("inner", |r| r.dispatch(slow, &[y], &[], [1, 1, 1]));
    });
    recording.dispatch(affine_kernel, &[x, y], &affine(64, 1.0, 0.0), [1, 1, 1]);
    recording.readback(y, 0, 16, Ticket(1));
    recording
}

fn every_way_of_timing_names_the_same_dispatches_and_none_takes_no_time(on: On) {
    for wanted in [Timing::InsidePasses, Timing::PassPerDispatch, Timing::WallClock] {
        let options = EngineOptions { profile: true, timing: wanted, ..on.options() };
        let mut engine = Engine::new(&options).unwrap();
        let used = engine.timing().unwrap();
        assert!(used >= wanted, "{wanted:?} was asked for, {used:?} is used");
        // Mesa's software driver has all of them.
        if engine.adapter().driver.contains("llvmpipe") {
            assert_eq!(used, wanted);
        }
        let recording = scoped(&mut engine);
        let before = engine.counters();
        engine.submit(&recording).unwrap();
        engine.wait().unwrap();
        let counters = engine.counters() - before;
        let expected = match used {
            Timing::InsidePasses => (1, 1),
            Timing::PassPerDispatch => (22, 1),
            Timing::WallClock => (22, 23), // the readback's is the last
        };
        assert_eq!((counters.passes, counters.submits), expected, "{used:?}");
        assert_eq!((counters.dispatches, counters.readbacks, counters.bytes_read), (22, 1, 16), "{used:?}");
        let profile = engine.take_profile();
        let names = |scope: &str| profile.dispatches.iter().filter(|span| &*span.scope == scope).count();
        assert_eq!((names("update"), names("update/inner"), names("")), (20, 1, 1), "{used:?}");
        assert!(profile.dispatches.iter().filter_map(|span| span.time).all(|(_, length)| length > 0.0), "{used:?}");
        let slow = profile.dispatches.iter().find(|span| &*span.scope == "update/inner").unwrap();
        assert!(slow.time.is_none_or(|(_, length)| length > 10.0), "{used:?}: {slow:?}");
        assert_eq!(engine.take_profile(), Default::default(), "{used:?}: a profile is taken once");
    }
}

fn a_profile_that_is_switched_off_changes_nothing_and_sees_nothing(on: On) {
    let counted = |profile: bool| {
        let options = EngineOptions { profile, timing: Timing::PassPerDispatch, ..on.options() };
        let mut engine = Engine::new(&options).unwrap();
        assert_eq!(engine.timing().is_some(), profile);
        engine.set_profiling(false);
        let recording = scoped(&mut engine);
        engine.submit(&recording).unwrap();
        engine.wait().unwrap();
        assert_eq!(engine.take_profile(), Default::default());
        (engine.counters(), engine, recording)
    };
    let (off, mut engine, recording) = counted(true);
    assert_eq!(off, counted(false).0);
    engine.take(Ticket(1)).unwrap();
    engine.set_profiling(true);
    engine.submit(&recording).unwrap();
    engine.wait().unwrap();
    assert_eq!(engine.take_profile().dispatches.len(), 22, "it can be switched on again");
}

fn spans_of_host_and_device_are_on_one_clock(on: On) {
    let mut engine = Engine::new(&EngineOptions { profile: true, ..on.options() }).unwrap();
    let recording = scoped(&mut engine);
    engine.take_profile();
    let before = engine.clock();
    engine.submit(&recording).unwrap();
    engine.wait().unwrap();
    let after = engine.clock();
    let profile = engine.take_profile();
    let device: Vec<_> = profile.dispatches.iter().filter_map(|span| span.time).collect();
    for (start, length) in &device {
        assert!(before <= *start && start + length <= after, "{start} + {length} in {before}..{after}");
    }
    assert!(device.is_sorted_by(|a, b| a.0 + a.1 <= b.0 + 1e-6), "each depends on the one before: {device:?}");
    let host: Vec<_> = profile.host.iter().map(|span| (span.start, span.length)).collect();
    assert!(!host.is_empty() && host.iter().all(|(start, length)| *length >= 0.0 && *start >= before), "{host:?}");
    assert!(host.is_sorted_by(|a, b| a.0 + a.1 <= b.0 + 1e-6), "the host does one thing at a time: {host:?}");
}

#[test]
fn adapters_are_listed_best_first_and_unknown_ones_named() {
    let all = adapters();
    assert_eq!(all.iter().filter(|adapter| adapter.kind == AdapterKind::Cpu).count(), 1);
    assert!(all.iter().enumerate().all(|(index, adapter)| adapter.index == index));
    assert!(all.is_sorted_by_key(|adapter| adapter.kind as u8), "hardware, CPU engine, software drivers");
    let options = EngineOptions { adapter: "no such adapter".parse().unwrap(), ..Default::default() };
    let error = Engine::new(&options).unwrap_err().to_string();
    assert!(error.contains("`no such adapter`") && error.contains(&all[0].name), "{error}");
}

/// The adapter's limit on loop iterations is a fact about its driver: this finds out when it changes.
fn loops_run_to_their_end_or_to_the_limit_that_the_adapter_states(on: On) {
    let mut engine = engine(on);
    let count = "
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(1) fn main() {
    for (var i = 0u; i < 50000u; i++) { y[1u + (i & 1u)] += 1u; y[0] += 1u; }
    for (var i = 0u; i < 50000u; i++) { y[1u + (i & 1u)] += 1u; y[0] += 1u; }
}";
    let count = engine.kernel(&kernel("count", count, &["y"])).unwrap();
    let y = engine.buffer("y", 12).unwrap();
    let mut recording = Recording::new();
    recording.dispatch(count, &[y], &[], [1, 1, 1]);
    engine.submit(&recording).unwrap();
    let bytes = engine.read(y, 0, 4).unwrap();
    let counted: u32 = bytemuck::pod_read_unaligned(&bytes);
    match engine.adapter().loop_iterations {
        // The iterations that only find a loop's end count as well.
        Some(limit) => assert!((limit - 2..=limit).contains(&counted), "{counted} iterations, stated limit {limit}"),
        None => assert_eq!(counted, 100_000, "this driver ends loops early: state it in AdapterSummary"),
    }
}
