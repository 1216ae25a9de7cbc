//! ln P(X ≥ x) from the incomplete gamma and beta functions (Abramowitz & Stegun 6.5.29 and 26.5.8), where the engine
//! sums the terms of the distributions.

/// Of Poisson's distribution where the variance is near the mean, else of the negative binomial.
pub fn ln_tail(x: u64, mean: f64, variance: f64) -> f64 {
    let x = x as f64;
    if variance <= 1.2 * mean {
        return ln_gamma_share(x, mean);
    }
    let r = mean * mean / (variance - mean);
    ln_beta_share(x, r, mean / (r + mean), r / (r + mean))
}

/// ln of the lower incomplete gamma function's share P(a, x), by its series.
fn ln_gamma_share(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, a);
    while term > 1e-17 * sum {
        n += 1.0;
        term *= x / n;
        sum += term;
    }
    a * x.ln() - x - ln_gamma(a + 1.0) + sum.ln()
}

/// ln of the incomplete beta function's share of x against y = 1 − x, by its continued fraction (Lentz's method).
fn ln_beta_share(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x > (a + 1.0) / (a + b + 2.0) {
        return (-ln_beta_share(b, a, y, x).exp()).ln_1p();
    }
    let tiny = 1e-300;
    let not_zero = |v: f64| if v.abs() < tiny { tiny } else { v };
    let (mut c, mut d) = (1.0, 1.0 / not_zero(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in 1..10_000_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for part in [even, odd] {
            d = 1.0 / not_zero(1.0 + part * d);
            c = not_zero(1.0 + part / c);
            change = c * d;
            fraction *= change;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    a * x.ln() + b * y.ln() + ln_gamma(a + b) - ln_gamma(a + 1.0) - ln_gamma(b) + fraction.ln()
}

/// ln Γ(z) by Stirling's series, far enough out.
fn ln_gamma(z: f64) -> f64 {
    let below: f64 = (0..20).map(f64::from).take_while(|n| z + n < 20.0).map(|n| (z + n).ln()).sum();
    let z = if z < 20.0 { z + (20.0 - z).ceil() } else { z };
    let series = 1.0 / (12.0 * z) - 1.0 / (360.0 * z.powi(3)) + 1.0 / (1260.0 * z.powi(5)) - 1.0 / (1680.0 * z.powi(7));
    (z - 0.5) * z.ln() - z + (2.0 * std::f64::consts::PI).ln() / 2.0 + series - below
}
