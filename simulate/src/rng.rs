//! The one source of chance. In: a seed and what the numbers are for; out: numbers that are the same on every machine.
//!
//! Why not the `rand` crates? Their distributions may change between versions, and the standard library's `ln` and `exp` come from
//! the platform's libm, whose last bit differs between machines. A tree of logs that must be byte-identical everywhere needs a generator
//! and distributions made of integer operations and IEEE `+ - * /` alone. The generator is xoshiro256++ (Blackman and Vigna, 2019),
//! seeded through SplitMix64.

/// Mixes a seed with the parts that name a purpose (account, day, person, …) to an independent seed.
pub fn mix(seed: u64, parts: &[u64]) -> u64 {
    let mut state = split(seed ^ 0x9e37_79b9_7f4a_7c15);
    for part in parts {
        state = split(state ^ split(part.wrapping_add(0x632b_e59b_d9b4_e019)));
    }
    state
}

/// SplitMix64's output function.
fn split(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The stream for one purpose under a seed. Streams of different parts are independent, so the order in which they are used does not matter.
    pub fn derive(seed: u64, parts: &[u64]) -> Rng {
        let base = mix(seed, parts);
        Rng { state: [split(base), split(base ^ 1), split(base ^ 2), split(base ^ 3)] }
    }

    /// The next 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number in `0..n`; 0 when `n` is 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// An index in `0..n`; 0 when `n` is 0.
    #[inline]
    pub fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }

    /// A number in `low..high`; `low` when the range is empty.
    #[inline]
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low).max(0) as u64) as i64
    }

    /// A number in `0.0..1.0`.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with probability `p`.
    #[inline]
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// One of the items.
    ///
    /// # Panics
    /// When there are none.
    #[inline]
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    /// An index in `0..n` where small ones are much more frequent, as a few buckets and tables get most of the calls.
    #[inline]
    pub fn skewed(&mut self, n: usize) -> usize {
        let u = self.unit();
        ((u * u * n as f64) as usize).min(n.saturating_sub(1))
    }

    /// A standard normal number, as the sum of twelve uniform ones (Irwin and Hall): no logarithm needed, tails end at six.
    pub fn normal(&mut self) -> f64 {
        let mut sum = -6.0;
        for _ in 0..12 {
            sum += self.unit();
        }
        sum
    }

    /// How often something happens whose mean is `mean`: Poisson below 30 by Knuth's product, its normal approximation above.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        if mean <= 0.0 {
            return 0;
        }
        if mean >= 30.0 {
            return (mean + self.normal() * mean.sqrt() + 0.5).max(0.0) as u64;
        }
        let limit = exp_negative(mean);
        let mut product = self.unit();
        let mut count = 0;
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// Puts the items in a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.index(i + 1));
        }
    }
}

/// `exp(-x)` for small positive `x` as `(1 - x/2^24)^(2^24)`: multiplications only, the same bits everywhere.
fn exp_negative(x: f64) -> f64 {
    let mut y = 1.0 - x / 16_777_216.0;
    for _ in 0..24 {
        y *= y;
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let first: Vec<u64> = (0..4)
            .map({
                let mut r = Rng::derive(7, &[1, 2]);
                move |_| r.bits()
            })
            .collect();
        let again: Vec<u64> = (0..4)
            .map({
                let mut r = Rng::derive(7, &[1, 2]);
                move |_| r.bits()
            })
            .collect();
        let other: Vec<u64> = (0..4)
            .map({
                let mut r = Rng::derive(7, &[2, 1]);
                move |_| r.bits()
            })
            .collect();
        assert_eq!(first, again);
        assert_ne!(first, other);
        // Pinned: a change of these numbers changes every tree that anybody made by seed.
        assert_eq!(mix(1, &[2, 3]), 0xc3d5_4689_81c8_0d83);
    }

    #[test]
    fn means_are_right() {
        let mut rng = Rng::derive(1, &[]);
        for mean in [0.3, 4.0, 80.0] {
            let total: u64 = (0..20_000).map(|_| rng.poisson(mean)).sum();
            let measured = total as f64 / 20_000.0;
            assert!((measured - mean).abs() < 0.03 * mean + 0.02, "{mean} {measured}");
        }
        let below = (0..20_000).filter(|_| rng.chance(0.25)).count();
        assert!((4_600..5_400).contains(&below));
    }
}
