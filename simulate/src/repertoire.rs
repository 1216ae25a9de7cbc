//! What a program calls. In: the lists of a profile; out: shapes of the catalogue, drawn by weight. Later versions of a program call something
//! that earlier ones did not, at the rates of `calendar.rs`.

use crate::{
    calendar::{Calendar, yearly},
    catalogue::Catalogue,
    profile::Profile,
    rng::Rng,
    workload::WorkloadKind,
};

/// Share of the calls that are those of a later version, once it is there.
const ADDED: f64 = 0.03;

/// The calls of one program.
#[derive(Debug)]
pub struct Repertoire {
    /// Shapes with the sum of the weights up to each.
    management: Vec<(usize, u64)>,
    data: Vec<(usize, u64)>,
    /// What later versions call beside: from when on, which shape.
    added: Vec<(i64, usize)>,
}

impl Repertoire {
    pub fn new(profile: &Profile, catalogue: &Catalogue, calendar: &Calendar, rng: &mut Rng) -> Repertoire {
        let management = if profile.kind == WorkloadKind::Scanner {
            catalogue.scanner.iter().zip(1..).map(|(shape, sum)| (*shape, sum)).collect()
        } else {
            table(profile.management, catalogue)
        };
        let added = added(&management, catalogue, calendar, rng);
        Repertoire { management, data: table(profile.data, catalogue), added }
    }

    /// One call at a time, `data_share` of them about data.
    pub fn draw(&self, time: i64, data_share: f64, rng: &mut Rng) -> usize {
        let table = if !self.data.is_empty() && rng.chance(data_share) { &self.data } else { &self.management };
        let total = table.last().map_or(1, |row| row.1);
        let drawn = rng.below(total);
        let shape = table[table.partition_point(|row| row.1 <= drawn)].0;
        if !self.added.is_empty() && rng.chance(ADDED) {
            let (from, added) = *rng.pick(&self.added);
            return if time >= from { added } else { shape };
        }
        shape
    }
}

fn table(names: &[(&str, u64)], catalogue: &Catalogue) -> Vec<(usize, u64)> {
    let mut sum = 0;
    let mut rows = Vec::new();
    for (name, weight) in names {
        sum += weight;
        rows.push((catalogue.find(name), sum));
    }
    rows
}

/// What later versions of a program call: reads mostly, of services that it uses or, more seldom, of another one.
fn added(management: &[(usize, u64)], catalogue: &Catalogue, calendar: &Calendar, rng: &mut Rng) -> Vec<(i64, usize)> {
    let mut added = Vec::new();
    if management.is_empty() {
        return added;
    }
    let all = &catalogue.scanner;
    if let Some(at) = calendar.moment(yearly::API_ADDED, rng) {
        let service = catalogue.get(management[rng.index(management.len())].0).service;
        let same: Vec<usize> = all.iter().copied().filter(|shape| catalogue.get(*shape).service == service).collect();
        if !same.is_empty() {
            added.push((at, *rng.pick(&same)));
        }
    }
    if let Some(at) = calendar.moment(yearly::SERVICE_ADDED, rng) {
        added.push((at, *rng.pick(all)));
    }
    added
}
