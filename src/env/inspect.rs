//! Looks through the numbers of one checked run and keeps the first and worst of every kind of trouble.

use super::batch::Trace;
use super::catalogue::Environment;
use super::manifest::Channel;
use super::report::{Actions, Finding, Occurrence, RunSummary};
use super::runner::{FLAG_NONE, FLAG_TERMINATED};

/// Slack of an observation's bounds, relative to their size: clamped values may be off by roundings.
const SLACK: f32 = 1e-5;

/// Collects over the stretches of one run.
pub(super) struct Inspector<'a> {
    env: &'a Environment,
    actions: Actions,
    num_envs: usize,
    /// Per observation entry: first non-finite value; farthest value outside the bounds.
    non_finite: Vec<Option<(String, Occurrence)>>,
    outside: Vec<Option<(f32, Occurrence)>>,
    non_finite_reward: Option<(String, Occurrence)>,
    different: Option<(String, Occurrence)>,
    reward: [f32; 2],
    /// Per environment: return and length of the running episode.
    running: Vec<(f64, u32)>,
    episodes: u64,
    terminated: u64,
    ended_at_once: u64,
    returns: f64,
    lengths: u64,
    /// First observation of the first episode after a reset, and whether a later one differed.
    start: Option<Vec<f32>>,
    starts_differ: bool,
    /// Whether the first observations of the run differ: what is random may also be hidden from the policy.
    random_seen: bool,
}

impl<'a> Inspector<'a> {
    pub fn new(env: &'a Environment, actions: Actions, num_envs: u32) -> Self {
        Self {
            env,
            actions,
            num_envs: num_envs as usize,
            non_finite: vec![None; env.obs_dim()],
            outside: vec![None; env.obs_dim()],
            non_finite_reward: None,
            different: None,
            reward: [f32::INFINITY, f32::NEG_INFINITY],
            running: vec![(0.0, 0); num_envs as usize],
            episodes: 0,
            terminated: 0,
            ended_at_once: 0,
            returns: 0.0,
            lengths: 0,
            start: None,
            starts_differ: false,
            random_seen: false,
        }
    }

    /// Takes in steps `first..` of the run, made twice.
    pub fn stretch(&mut self, first: u32, trace: &Trace, again: &Trace) {
        let width = self.env.obs_dim();
        // Row 0 is the start of the run; in later stretches it is the last row of the stretch before, or stale.
        if first == 0 {
            let mut starts = trace.observations[..self.num_envs * width].chunks_exact(width);
            let one = starts.next();
            self.random_seen = starts.any(|start| Some(start) != one);
        }
        let rows = trace.observations.chunks_exact(width).enumerate();
        for (index, observation) in rows.skip(if first == 0 { 0 } else { self.num_envs }) {
            let (row, env) = (index / self.num_envs, index % self.num_envs);
            let at = self.at(first + (row as u32).saturating_sub(1), env);
            for (entry, &value) in observation.iter().enumerate() {
                self.observe(entry, value, at);
            }
        }
        for (index, (&reward, &flag)) in trace.rewards.iter().zip(&trace.flags).enumerate() {
            let (t, env) = (index / self.num_envs, index % self.num_envs);
            let at = self.at(first + t as u32, env);
            let next = &trace.observations[(index + self.num_envs) * width..][..width];
            self.step(env, reward, flag, next, at);
        }
        self.compare(first, trace, again);
    }

    /// The summary of the run and all findings.
    pub fn finish(self) -> (RunSummary, Vec<Finding>) {
        let channels = &self.env.manifest.observation;
        let mut findings = Vec::new();
        let named = channels.iter().map(|c| c.name.clone()).zip(self.non_finite);
        let reward = ("reward".to_string(), self.non_finite_reward);
        for (entry, found) in named.chain([reward]) {
            findings.extend(found.map(|(value, at)| Finding::NonFinite { entry, value, at }));
        }
        for (Channel { name, low, high }, found) in channels.iter().zip(self.outside) {
            let entry = name.clone();
            findings.extend(found.map(|(value, at)| Finding::OutOfBounds { entry, value, low: *low, high: *high, at }));
        }
        findings.extend(self.different.map(|(entry, at)| Finding::NotDeterministic { entry, at }));
        if self.random_seen && self.episodes > 1 && !self.starts_differ {
            findings.push(Finding::AutoResetNotRandom { resets: self.episodes });
        }
        let (ended, episodes) = (self.ended_at_once, self.episodes);
        if self.actions == Actions::Zero && self.env.manifest.horizon > 1 && ended * 2 > episodes {
            findings.push(Finding::EndsAtOnce { ended, episodes });
        }
        let mean = |sum: f64| if episodes == 0 { 0.0 } else { sum / episodes as f64 };
        let summary = RunSummary {
            actions: self.actions,
            reward: if self.reward[0] > self.reward[1] { [0.0, 0.0] } else { self.reward },
            episodes,
            terminated: self.terminated,
            mean_return: mean(self.returns),
            mean_length: mean(self.lengths as f64),
        };
        (summary, findings)
    }

    fn at(&self, step: u32, env: usize) -> Occurrence {
        Occurrence { actions: self.actions, step, env: env as u32, count: 1 }
    }

    fn observe(&mut self, entry: usize, value: f32, at: Occurrence) {
        let Channel { low, high, .. } = self.env.manifest.observation[entry];
        if !value.is_finite() {
            count_non_finite(&mut self.non_finite[entry], value, at);
            return;
        }
        let outside = |value: f32| {
            let (below, above) = (low - value, value - high);
            (below - SLACK * low.abs().max(1.0)).max(above - SLACK * high.abs().max(1.0))
        };
        if outside(value) > 0.0 {
            match &mut self.outside[entry] {
                None => self.outside[entry] = Some((value, at)),
                Some((worst, first)) => {
                    first.count += 1;
                    if outside(value) > outside(*worst) {
                        *worst = value;
                    }
                }
            }
        }
    }

    fn step(&mut self, env: usize, reward: f32, flag: f32, next: &[f32], at: Occurrence) {
        if reward.is_finite() {
            self.reward = [self.reward[0].min(reward), self.reward[1].max(reward)];
        } else {
            count_non_finite(&mut self.non_finite_reward, reward, at);
        }
        self.running[env].0 += f64::from(reward);
        self.running[env].1 += 1;
        if flag == FLAG_NONE {
            return;
        }
        let (total, length) = std::mem::take(&mut self.running[env]);
        self.episodes += 1;
        self.terminated += u64::from(flag == FLAG_TERMINATED);
        self.ended_at_once += u64::from(length == 1);
        self.returns += total;
        self.lengths += u64::from(length);
        match &self.start {
            None => self.start = Some(next.to_vec()),
            Some(start) => self.starts_differ |= start != next,
        }
    }

    /// Bit for bit: NaN equals itself.
    fn compare(&mut self, first: u32, trace: &Trace, again: &Trace) {
        let width = self.env.obs_dim();
        let skipped = if first == 0 { 0 } else { self.num_envs * width };
        let observations = trace.observations.iter().zip(&again.observations).enumerate().skip(skipped);
        for (index, (a, b)) in observations {
            if a.to_bits() != b.to_bits() {
                let step = first + (index / width / self.num_envs).saturating_sub(1) as u32;
                let name = self.env.manifest.observation[index % width].name.clone();
                self.differ(name, self.at(step, index / width % self.num_envs));
            }
        }
        for (name, a, b) in [("reward", &trace.rewards, &again.rewards), ("flag", &trace.flags, &again.flags)] {
            for (index, _) in a.iter().zip(b).enumerate().filter(|(_, (a, b))| a.to_bits() != b.to_bits()) {
                let at = self.at(first + (index / self.num_envs) as u32, index % self.num_envs);
                self.differ(name.to_string(), at);
            }
        }
    }

    fn differ(&mut self, entry: String, at: Occurrence) {
        match &mut self.different {
            None => self.different = Some((entry, at)),
            Some((_, first)) => first.count += 1,
        }
    }
}

fn count_non_finite(found: &mut Option<(String, Occurrence)>, value: f32, at: Occurrence) {
    match found {
        None => *found = Some((value.to_string(), at)),
        Some((_, first)) => first.count += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_that_differs_in_one_bit_is_reported_at_its_entry_step_and_environment() {
        let Ok(env) = super::super::load("pendulum") else { panic!("envs/pendulum does not load") };
        // Two environments, three steps.
        let trace = Trace { observations: vec![0.5; 4 * 2 * 3], rewards: vec![-1.0; 6], flags: vec![0.0; 6] };
        let report = |again: &Trace| {
            let mut inspector = Inspector::new(&env, Actions::Random, 2);
            inspector.stretch(0, &trace, again);
            inspector.finish().1
        };
        assert_eq!(report(&trace), []);
        let mut again = trace.clone();
        // Row 2 (after step 1), environment 1, entry 2.
        again.observations[2 * 6 + 3 + 2] = f32::from_bits(0.5f32.to_bits() + 1);
        let at = Occurrence { actions: Actions::Random, step: 1, env: 1, count: 1 };
        assert_eq!(report(&again), [Finding::NotDeterministic { entry: "angular_velocity".to_string(), at }]);
        let mut again = trace.clone();
        again.rewards[2] = f32::NAN;
        let at = Occurrence { actions: Actions::Random, step: 1, env: 0, count: 1 };
        assert_eq!(report(&again), [Finding::NotDeterministic { entry: "reward".to_string(), at }]);
    }
}
