//! Everything that can go wrong between a recording and an adapter, as values that name what failed.

/// Why the engine, a buffer, a kernel or a submission failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// There is no adapter of the wanted kind on this machine.
    #[error(
        "no {wanted} found. Install a graphics driver, or the software one: \
         Debian/Ubuntu `apt install mesa-vulkan-drivers`, Fedora `dnf install mesa-vulkan-drivers`, \
         Arch `pacman -S vulkan-swrast`"
    )]
    NoAdapter {
        /// What was looked for: "GPU adapter" or "software adapter".
        wanted: &'static str,
    },
    /// The asked adapter does not exist.
    #[error("unknown adapter `{wanted}`; available, nearest first: {}", available.join(", "))]
    UnknownAdapter {
        /// The name or index asked for.
        wanted: String,
        /// Index and name of every adapter, nearest name first.
        available: Vec<String>,
    },
    /// A number of threads that the CPU engine cannot have.
    #[error("threads is {threads}, expected 1..=1024")]
    Threads {
        /// What was asked for.
        threads: usize,
    },
    /// An instruction set that is unknown or that this processor lacks.
    #[error("{0}")]
    Isa(String),
    /// The adapter lacks something that every kernel needs.
    #[error("adapter `{adapter}` has no {feature}, which flowmill needs")]
    MissingFeature {
        /// Adapter name.
        adapter: String,
        /// The feature.
        feature: &'static str,
    },
    /// The driver refused to open the device.
    #[error("adapter `{adapter}` gave no device: {message}")]
    Device {
        /// Adapter name.
        adapter: String,
        /// The driver's words.
        message: String,
    },
    /// A buffer that the adapter's limits exclude; nothing was allocated.
    #[error("buffer `{name}` needs {bytes} bytes, the adapter's {limit} is {maximum}")]
    BufferLimit {
        /// Buffer name.
        name: String,
        /// Asked size in bytes.
        bytes: u64,
        /// Name of the limit, as wgpu spells it.
        limit: &'static str,
        /// The limit in bytes.
        maximum: u64,
    },
    /// A size of zero or one that is no multiple of 4.
    #[error("buffer `{name}` has {bytes} bytes; expected a positive multiple of 4")]
    BufferSize {
        /// Buffer name.
        name: String,
        /// Asked size in bytes.
        bytes: u64,
    },
    /// The device has no room for a buffer.
    #[error(
        "out of device memory for buffer `{name}` of {bytes} bytes ({allocated} bytes allocated before it): {message}"
    )]
    OutOfMemory {
        /// Buffer name.
        name: String,
        /// Asked size in bytes.
        bytes: u64,
        /// Bytes in the engine's other buffers.
        allocated: u64,
        /// The driver's words.
        message: String,
    },
    /// A kernel's text, bindings or pipeline is wrong.
    #[error("kernel `{kernel}`: {message}")]
    Kernel {
        /// Kernel name.
        kernel: String,
        /// What is wrong, with source lines where the text is.
        message: String,
    },
    /// A kernel asks for more than the adapter has.
    #[error("kernel `{kernel}` needs {needed} {what}, the adapter's limit is {maximum}")]
    KernelLimit {
        /// Kernel name.
        kernel: String,
        /// The resource.
        what: &'static str,
        /// What the kernel needs.
        needed: u64,
        /// The limit.
        maximum: u64,
    },
    /// A command of a recording is wrong; nothing of that recording was executed.
    #[error("command {index} of the recording ({command}): {message}")]
    Recording {
        /// Position in the recording, from 0.
        index: usize,
        /// The command, with the names of its kernel or buffer.
        command: String,
        /// What is wrong.
        message: String,
    },
    /// A range outside a buffer, or a handle of another engine.
    #[error("{0}")]
    Range(String),
    /// The library underneath reported an error that no scope expected; the device is not used any more.
    #[error("the device reported an error and is not used any more: {0}")]
    Fault(String),
    /// The device is gone.
    #[error("the device was lost: {0}")]
    DeviceLost(String),
}
