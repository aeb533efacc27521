//! Random test inputs, new in every run: the seed is printed, and FLOWMILL_TEST_SEED repeats a run.

use flowmill::rng::Key;

/// Contents of output buffers before a kernel runs: a NaN that no kernel produces, so that unwritten words show.
pub const POISON: u32 = 0x7fc0_dead;

/// A source of inputs.
pub struct Fresh {
    key: Key,
    next: u32,
}

impl Fresh {
    /// A new source; `stream` keeps the tests of one binary apart.
    pub fn new(stream: u32) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
        let given = std::env::var("FLOWMILL_TEST_SEED").ok().map(|text| text.parse().expect("FLOWMILL_TEST_SEED"));
        let seed = given.unwrap_or(now);
        println!("FLOWMILL_TEST_SEED={seed}");
        Self { key: Key { seed, stream, iteration: 0 }, next: 0 }
    }

    /// A uniform word.
    pub fn word(&mut self) -> u32 {
        self.next += 1;
        self.key.words(0, self.next, 0)[0]
    }

    /// Uniform in `[low, high)`.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * flowmill::rng::unit(self.word())
    }

    /// Standard normal numbers.
    pub fn normals(&mut self, count: usize) -> Vec<f32> {
        (0..count)
            .map(|_| {
                self.next += 1;
                self.key.normal(0, self.next, 0)
            })
            .collect()
    }
}

/// Poisoned words.
pub fn poison(words: usize) -> Vec<f32> {
    vec![f32::from_bits(POISON); words]
}

/// Whether a word is still poisoned.
pub fn poisoned(word: f32) -> bool {
    word.to_bits() == POISON
}
