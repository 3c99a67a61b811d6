//! A tiny seeded generator. Own, because generated data must stay the same when a library changes its algorithm.

/// SplitMix64: one multiplication-and-shift chain per number, good enough for test data.
#[derive(Debug, Clone)]
pub struct SplitMix(u64);

impl SplitMix {
    /// The stream of numbers of `seed`, lane `lane` (a block of rows, a table).
    pub fn new(seed: u64, lane: u64) -> Self {
        Self(mix(seed ^ mix(lane.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in `0..bound`; `bound` must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Uniform in `low..=high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as u64) as i64
    }

    /// True in `per_mille` of a thousand draws.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Skewed towards small numbers in `0..bound`: the share of the first k is about (k / bound)^(1/power).
    pub fn skewed(&mut self, bound: u64, power: i32) -> u64 {
        ((self.unit().powi(power) * bound as f64) as u64).min(bound - 1)
    }

    /// One of `choices`.
    pub fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// A hash of one number: the finaliser of SplitMix64.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_differ_and_repeat() {
        let first: Vec<u64> = std::iter::repeat_with({
            let mut r = SplitMix::new(7, 1);
            move || r.next_u64()
        })
        .take(4)
        .collect();
        let again: Vec<u64> = std::iter::repeat_with({
            let mut r = SplitMix::new(7, 1);
            move || r.next_u64()
        })
        .take(4)
        .collect();
        let other: Vec<u64> = std::iter::repeat_with({
            let mut r = SplitMix::new(7, 2);
            move || r.next_u64()
        })
        .take(4)
        .collect();
        assert_eq!(first, again);
        assert_ne!(first, other);
    }

    #[test]
    fn draws_stay_in_range() {
        let mut rng = SplitMix::new(1, 1);
        for _ in 0..10_000 {
            assert!(rng.below(7) < 7);
            assert!((-3..=3).contains(&rng.between(-3, 3)));
            assert!(rng.skewed(100, 3) < 100);
        }
    }
}
