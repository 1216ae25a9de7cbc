//! How improbable a count is: tails of the Poisson and negative binomial distributions, as natural logarithms, so that
//! nothing underflows; and distances on the earth.
//!
//! Checked against closed forms and sums by definition (see the tests). Only `libm` is used for what is not arithmetic, so that the same
//! events give the same bytes on every machine.

/// Below this a distribution counts as Poisson: variance over mean.
const OVERDISPERSED_ABOVE: f64 = 1.2;
/// Terms of a tail smaller than this share of their sum no longer change it.
const NEGLIGIBLE: f64 = 1e-17;
const TERMS_MAX: u32 = 100_000;
/// Mean radius of the earth (IUGG).
pub(crate) const EARTH_KM: f64 = 6_371.008_8;

/// ln P(X ≥ x) where X has this mean and variance: Poisson where the variance is near the mean, else negative binomial
/// with r = m²/(v − m).
pub(crate) fn ln_tail(x: u64, mean: f64, variance: f64) -> f64 {
    if x == 0 {
        return 0.0;
    }
    if variance <= OVERDISPERSED_ABOVE * mean {
        return ln_tail_poisson(x, mean);
    }
    ln_tail_negative_binomial(x, mean, mean * mean / (variance - mean))
}

fn ln_tail_poisson(x: u64, mean: f64) -> f64 {
    let first = |k: f64| k * libm::log(mean) - mean - libm::lgamma(k + 1.0);
    tail(x, mean, first, |k| mean / (k + 1.0))
}

/// With success probability p = r/(r+m), the k-th term is Γ(k+r)/(k! Γ(r)) · pʳ · (1−p)ᵏ.
fn ln_tail_negative_binomial(x: u64, mean: f64, r: f64) -> f64 {
    let q = mean / (r + mean);
    let first = |k: f64| {
        libm::lgamma(k + r) - libm::lgamma(k + 1.0) - libm::lgamma(r) + r * libm::log(r / (r + mean)) + k * libm::log(q)
    };
    tail(x, mean, first, |k| q * (k + r) / (k + 1.0))
}

/// ln of the sum of all terms from `x` on. Behind the mean the terms fall, so they are summed; before it the terms
/// below `x` are, and taken from one.
fn tail(x: u64, mean: f64, ln_first: impl Fn(f64) -> f64, ratio: impl Fn(f64) -> f64) -> f64 {
    let start = x as f64;
    if start > mean {
        return ln_first(start) + libm::log(sum(start, ratio));
    }
    // From the term at x − 1 downwards: the ratio the other way round.
    let mut share = 1.0;
    let mut below = 1.0;
    let mut k = start - 1.0;
    while k > 0.0 && share > NEGLIGIBLE * below {
        k -= 1.0;
        share /= ratio(k);
        below += share;
    }
    let below = libm::exp(ln_first(start - 1.0)) * below;
    libm::log((1.0 - below).max(f64::MIN_POSITIVE))
}

/// The terms from `k` on, as multiples of the first.
fn sum(mut k: f64, ratio: impl Fn(f64) -> f64) -> f64 {
    let (mut share, mut sum) = (1.0, 1.0);
    for _ in 0..TERMS_MAX {
        share *= ratio(k);
        sum += share;
        k += 1.0;
        if share < NEGLIGIBLE * sum {
            break;
        }
    }
    sum
}

/// The great-circle distance of two places in degrees, by the haversine formula.
pub(crate) fn distance_km(a: (f64, f64), b: (f64, f64)) -> f64 {
    // Most of what somebody does, they do where they were.
    if a == b {
        return 0.0;
    }
    let radians = |degrees: f64| degrees * std::f64::consts::PI / 180.0;
    let (lat_a, lat_b) = (radians(a.0), radians(b.0));
    let half = |from: f64, to: f64| {
        let sine = libm::sin((to - from) / 2.0);
        sine * sine
    };
    let h = half(lat_a, lat_b) + libm::cos(lat_a) * libm::cos(lat_b) * half(radians(a.1), radians(b.1));
    2.0 * EARTH_KM * libm::asin(libm::sqrt(h.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ln: f64, expected: f64) {
        let got = libm::exp(ln);
        assert!((got / expected - 1.0).abs() < 1e-9, "{got:e} instead of {expected:e}");
    }

    /// 1 − Q(x, mean) of Poisson's distribution, summed term by term.
    #[test]
    fn poisson_tails_are_their_sums() {
        check(ln_tail_poisson(1, 0.1), 0.09516258196404048);
        check(ln_tail_poisson(10, 3.0), 0.0011024881301154315);
        check(ln_tail_poisson(3, 3.0), 0.5768099188731564);
        check(ln_tail_poisson(5, 10.0), 0.970747311923039);
    }

    /// P(X ≥ 2) of the geometric distribution (r = 1) with mean m is (m/(1+m))².
    #[test]
    fn with_r_of_one_it_is_the_geometric_distribution() {
        for (x, mean) in [(2, 1.0), (20, 3.0), (200, 5.0), (2, 10.0)] {
            let expected = f64::from(x) * libm::log(mean / (1.0 + mean));
            let got = ln_tail_negative_binomial(x as u64, mean, 1.0);
            assert!((got - expected).abs() < 1e-9 * expected.abs(), "{x} {mean}: {got} {expected}");
        }
    }

    #[test]
    fn what_is_wildly_improbable_does_not_underflow() {
        let ln = ln_tail(100_000, 1.0, 1.0);
        assert!(ln < -1_000_000.0 && ln.is_finite(), "{ln}");
        assert!(ln_tail(100_000, 1.0, 50.0) > ln);
        assert_eq!(ln_tail(0, 1.0, 1.0), 0.0);
    }

    /// Berlin to New York and the antipodes, against published great-circle distances.
    #[test]
    fn distances_are_great_circles() {
        assert!((distance_km((52.52, 13.405), (40.7128, -74.006)) - 6_385.0).abs() < 10.0);
        assert!((distance_km((0.0, 0.0), (0.0, 180.0)) - 20_015.1).abs() < 1.0);
        assert_eq!(distance_km((1.0, 2.0), (1.0, 2.0)), 0.0);
    }
}
